internal import TesseraHardware

/// The virtual addresses that the kernel's own root maps as the running one does.
struct KeptAddresses {
  private let lowEnd: UInt64
  private let highStart: UInt64

  /// The upper half, and the lower half up to `lowEnd`, rounded up to whole entries of the root.
  init(upperHalfAndBelow lowEnd: VirtualAddress) {
    let span = PagingMode.current.rootLevel.span
    self.lowEnd = (lowEnd.rawValue + span - 1) & ~(span - 1)
    highStart = 1 << 63
  }

  /// The addresses from `start`, in the upper half, to the last one.
  init(from start: UInt64) {
    lowEnd = 0
    highStart = start
  }

  /// Every address.
  static var all: KeptAddresses { KeptAddresses(from: 0) }

  func contains(_ address: UInt64) -> Bool { address >= highStart || address < lowEnd }
}
