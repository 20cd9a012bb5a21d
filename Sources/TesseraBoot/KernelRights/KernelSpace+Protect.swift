internal import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

extension KernelSpace {
  /// Changes the rights of the pages of `range`, which the kernel was loaded with: of its image, of
  /// the direct map, and of whatever else the kernel half maps outside of `area`.
  ///
  /// Large pages that are only partly in the range are split. Other addresses of the same memory
  /// keep their rights, unless the loader has made them share a page table. The old rights are
  /// flushed from the TLBs of all processors.
  ///
  /// Several threads and processors may call this at once, not in interrupt handlers.
  ///
  /// - Precondition: Tessera has been started.
  /// - Throws: `empty`; `notAligned` unless the ends are multiples of 4 KiB; `outOfBounds` if the
  ///   range is not in the kernel half or overlaps `area`; `notMapped` with the first page that is
  ///   not mapped, or by a table that cannot be read; `rightsWithheld`; `usedByProcessor`;
  ///   `managedMemory`; `outOfFrames` if there is no memory for the tables of split pages.
  public static func protect(
    _ range: Range<VirtualAddress>, as access: PageAccess
  ) throws(TesseraError) {
    let change = RightsChange(range, access)
    try change.checkRange()
    try change.checkProcessor()
    var splits = SplitTables()
    try change.check(&splits)
    try splits.reserve()
    change.apply(&splits)
  }

  /// Whether a part of `memory` is the kernel's, and not writable in the direct map.
  package static func hasReadOnlyMemory(_ memory: Range<PhysicalAddress>) -> Bool {
    let end = min(memory.upperBound, FrameTable.end)
    if memory.lowerBound >= end { return false }
    let base = UInt64(PhysicalMemory.directMapBase)
    var position = memory.lowerBound.rawValue
    while position < end.rawValue {
      let entry = KernelPages(root: rootAddress, areAdopted: true).entry(at: base &+ position)
      let last = min(entry.last &- base, end.rawValue - 1)
      if !entry.isWritable && hasKernelFrame(position, last) { return true }
      position = last + 1
    }
    return false
  }

  /// Whether a frame of the bytes from `first` to `last` is the kernel's.
  private static func hasKernelFrame(_ first: UInt64, _ last: UInt64) -> Bool {
    for number in first >> PageSize.fourKiB.shift...last >> PageSize.fourKiB.shift
    where FrameTable.slot(number: number).kind.usage == .kernel { return true }
    return false
  }
}
