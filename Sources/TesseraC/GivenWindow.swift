internal import TesseraBoot
internal import TesseraHardware

/// Physical memory as a boot loader left it, seen where the caller says.
@safe
struct GivenWindow: BootMemory {
  private let base: UInt
  private let end: UInt64

  /// The caller promises that physical memory below `end` is visible from `base` on.
  @unsafe init(base: UInt64, end: UInt64) {
    self.base = UInt(base)
    self.end = end
  }

  func byte(at address: UInt64) -> UInt8? {
    guard address < end else { return nil }
    // SAFETY: the maker's promise.
    return unsafe UnsafePointer<UInt8>(bitPattern: base &+ UInt(address))?.pointee
  }
}
