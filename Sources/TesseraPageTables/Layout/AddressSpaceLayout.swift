package import TesseraHardware

/// How every address space is divided between the user program and the kernel.
///
/// The division is made at entries of the root, so each root entry belongs to one of the two:
///
///     0                 low kernel entries   kept from the loader; usually none
///     lowKernelEnd      user range
///     lowerHalfEnd - 1  the last page of the lower half, which stays unmapped
///                       (addresses that are not canonical)
///     upperHalfStart    kernel entries, with the kernel virtual area in the middle
///
/// The kernel's entries are the same in every root and lead to the same tables. The user entries
/// are a root's own.
package enum AddressSpaceLayout {
  /// The number of entries at the start of each root that are the kernel's.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var lowEntryCount = 0

  /// The number of user entries that a root of level 4 begins with. None if the kernel has the
  /// first ones, if roots are of another level, or before `start`.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var leadingUserEntryCount: UInt64 = 0

  /// The first user address, and the one after the last.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var userBounds: (start: UInt64, end: UInt64) = (0, 0)

  /// Fixes the layout. Called once, before there are address spaces.
  ///
  /// - Precondition: `lowKernelEntryCount` is at most 256.
  package static func start(lowKernelEntryCount: Int = 0) {
    require(
      lowKernelEntryCount >= 0 && lowKernelEntryCount <= halfEntryCount,
      "low kernel entries reach into the upper half")
    let beginsWithUser = lowKernelEntryCount == 0 && PagingMode.current.rootLevel.number == 4
    // SAFETY: nothing else runs yet.
    unsafe lowEntryCount = lowKernelEntryCount
    // SAFETY: nothing else runs yet.
    unsafe leadingUserEntryCount = beginsWithUser ? UInt64(halfEntryCount) : 0
    // SAFETY: nothing else runs yet.
    unsafe userBounds = (userStart.rawValue, userEnd.rawValue)
  }

  /// The number of root entries in each half of the address space.
  private static var halfEntryCount: Int { 256 }
}

extension AddressSpaceLayout {
  /// The first address that can be mapped for a user program: zero, unless the kernel keeps low
  /// addresses.
  @inline(__always)
  package static var userStart: VirtualAddress {
    VirtualAddress(
      UInt64(truncatingIfNeeded: lowKernelEntryCount) &<< PagingMode.current.rootLevel.shift)
  }

  /// The end of the user range: one page below the end of the lower half. A `syscall` instruction
  /// at the very end of that page would return to an address that is not canonical, for which
  /// `sysret` faults in kernel mode.
  @inline(__always)
  package static var userEnd: VirtualAddress {
    VirtualAddress(PagingMode.current.lowerHalfEnd.rawValue &- PageSize.fourKiB.byteCount)
  }

  /// Returns whether all of `range` can be mapped for a user program.
  @inline(__always)
  package static func isUser(_ range: Range<VirtualAddress>) -> Bool {
    // SAFETY: constant after `start`.
    let bounds = unsafe userBounds
    return range.lowerBound.rawValue >= bounds.start && range.upperBound.rawValue <= bounds.end
  }

  /// The kernel virtual area: 512 GiB, empty at the start, for cursors over kernel pages.
  ///
  /// It begins in the middle of the upper half, at 0xffff_c000_0000_0000 with four levels of tables
  /// and 0xff80_0000_0000_0000 with five. There it shares no root entry with the kernel's image at
  /// the top, nor with the direct map, which loaders put at the bottom.
  package static var kernelVirtualArea: Range<VirtualAddress> {
    let start = 0 &- PagingMode.current.lowerHalfEnd.rawValue / 2
    return VirtualAddress(start)..<VirtualAddress(start &+ kernelVirtualAreaByteCount)
  }
}

extension AddressSpaceLayout {
  private static var kernelVirtualAreaByteCount: UInt64 { 512 << 30 }

  /// The number of entries at the start of each root that are the kernel's.
  @inline(__always)
  package static var lowKernelEntryCount: Int {
    // SAFETY: constant after `start`.
    unsafe lowEntryCount
  }

  /// The root entries for the user range.
  @inline(__always)
  package static var userEntries: Range<Int> { lowKernelEntryCount..<halfEntryCount }

  /// Returns whether `address`, which need not be canonical, is a user address, and roots are of
  /// level 4 and begin with kernel entries. False before `start`.
  ///
  /// All tables below a user entry are nodes, never a loader's.
  static func isUserBehindKernelEntries(_ address: VirtualAddress) -> Bool {
    // SAFETY: constant after `start`.
    let (start, end) = unsafe userBounds
    return lowKernelEntryCount > 0 && PagingMode.current.rootLevel.number == 4
      && address.rawValue >= start && address.rawValue < end
  }

  /// The index of the user entry that `address` is below, if roots are of level 4 and begin with
  /// user entries, as they usually do; below 256. Otherwise, and if `address` is the kernel's or
  /// not canonical, nil.
  @inline(__always)
  static func leadingUserEntry(of address: VirtualAddress) -> Int? {
    let index = address.rawValue &>> PagingLevel(4).shift
    // SAFETY: constant after `start`.
    guard unsafe index < leadingUserEntryCount else { return nil }
    return Int(truncatingIfNeeded: index)
  }

  /// The index of the root entry for the kernel virtual area, which has the entry to itself.
  package static var kernelVirtualAreaEntry: Int {
    kernelVirtualArea.lowerBound.index(at: PagingMode.current.rootLevel)
  }
}
