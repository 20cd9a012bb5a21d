internal import CTessera

extension Processor {
  /// Copies `byteCount` bytes from the program's address `source` to the kernel's `destination`.
  /// Returns how many were copied: fewer if the next one faulted and the fault was recovered.
  ///
  /// The caller owns the destination. Until faults are recovered, the caller also promises that all
  /// the bytes are mapped and stay so, because a fault stops the kernel.
  @unsafe package static func copy(
    fromUser source: UInt64, to destination: UnsafeMutableRawPointer, byteCount: Int
  ) -> Int {
    withUserAccess { unsafe hw_copy_from_user(destination, source, byteCount) }
  }

  /// Copies `byteCount` bytes from the kernel's `source` to the program's address `destination`.
  ///
  /// As `copy(fromUser:to:byteCount:)`, of pages that can be written.
  @unsafe package static func copy(
    _ source: UnsafeRawPointer, toUser destination: UInt64, byteCount: Int
  ) -> Int {
    withUserAccess { unsafe hw_copy_to_user(destination, source, byteCount) }
  }

  /// Runs `body` with the right to touch programs' pages, which SMAP takes from the kernel
  /// otherwise, and gives it back at once: an interrupt handler would inherit it.
  @inline(__always)
  private static func withUserAccess(_ body: () -> Int) -> Int {
    let isPrevented = hw_read_cr4() & accessPreventionBit != 0
    if isPrevented { hw_set_user_access(true) }
    let count = body()
    if isPrevented { hw_set_user_access(false) }
    return count
  }

  /// CR4.SMAP (Intel SDM Vol. 3A, "Control Registers").
  private static var accessPreventionBit: UInt64 { 1 << 21 }
}
