internal import TesseraHardware
internal import TesseraHeader

/// What the kernel wants to be called when a frame is freed.
@safe
struct FreeFunction {
  private let function: tessera_on_free_fn?

  // SAFETY: there is nothing to call.
  static var none: FreeFunction { unsafe FreeFunction(nil) }

  /// The kernel promises that `function` may be called as the header says.
  @unsafe init(_ function: tessera_on_free_fn?) { unsafe self.function = function }

  func call(_ frame: PhysicalAddress, _ data: inout (UInt64, UInt64, UInt64)) {
    // SAFETY: only whether there is one.
    guard let function = unsafe function else { return }
    // SAFETY: the maker's promise; the data are lent for the call.
    unsafe withUnsafeMutablePointer(to: &data) { unsafe function(frame.rawValue, $0) }
  }
}
