internal import TesseraHardware
internal import TesseraHeader

/// The function that a kernel has called when a frame is freed.
@safe
struct FreeCallback {
  private let function: tessera_on_free_fn?

  // SAFETY: there is nothing to call.
  static var none: FreeCallback { unsafe FreeCallback(nil) }

  /// The kernel guarantees that `function` may be called as the header says.
  @unsafe init(_ function: tessera_on_free_fn?) { unsafe self.function = function }

  func call(_ frame: PhysicalAddress, _ data: inout (UInt64, UInt64, UInt64)) {
    // SAFETY: compares with null.
    guard let function = unsafe function else { return }
    // SAFETY: the kernel's guarantee; the data outlives the call.
    unsafe withUnsafeMutablePointer(to: &data) { unsafe function(frame.rawValue, $0) }
  }
}
