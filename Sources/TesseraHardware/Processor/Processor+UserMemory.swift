internal import CTessera

extension Processor {
  /// Copies `byteCount` bytes from the user address `source` to the kernel's `destination`.
  ///
  /// The caller promises that it owns the destination, that the source is in the lower half, and
  /// that the kernel's handler of page faults continues at `userCopyRecovery(of:)`.
  ///
  /// - Returns: the number of bytes copied, fewer if the next one faulted.
  @unsafe package static func copy(
    fromUser source: UInt64, to destination: UnsafeMutableRawPointer, byteCount: Int
  ) -> Int {
    withUserAccess { unsafe hw_copy_from_user(destination, source, byteCount) }
  }

  /// Copies `byteCount` bytes from the kernel's `source` to the user address `destination`.
  ///
  /// Otherwise like `copy(fromUser:to:byteCount:)`.
  @unsafe package static func copy(
    _ source: UnsafeRawPointer, toUser destination: UInt64, byteCount: Int
  ) -> Int {
    withUserAccess { unsafe hw_copy_to_user(destination, source, byteCount) }
  }

  /// Where the kernel continues after a page fault at `instruction`, or nil if that copies no user
  /// memory.
  package static func userCopyRecovery(of instruction: UInt64) -> UInt64? {
    let address = hw_user_copy_recovery(instruction)
    return address == 0 ? nil : address
  }

  /// Runs `body` with access to user pages, which SMAP denies otherwise.
  ///
  /// Access ends with `body`, because interrupt handlers inherit it.
  @inline(__always)
  public static func withUserAccess<Result>(_ body: () -> Result) -> Result {
    let isPrevented = controlRegister4.contains(.supervisorAccessPrevention)
    if isPrevented { hw_set_user_access(true) }
    let result = body()
    if isPrevented { hw_set_user_access(false) }
    return result
  }
}
