internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The memory that Tessera writes through pages that are about to become read-only: whatever
/// allocators and metadata have, and page tables of the kernel half.
///
/// Tessera writes through the direct map alone, so pages at other addresses do not matter, unless
/// they share their entries with it.
struct WrittenMemory {
  /// Contiguous memory of the kernel in which page tables have not been searched yet.
  private var run = PhysicalAddress.zero..<PhysicalAddress.zero

  /// Adds the bytes of a leaf from the address `first` to `last`. Returns an address that Tessera
  /// writes, or nil if none was found yet.
  mutating func add(
    _ entry: KernelPages.Entry, from first: UInt64, to last: UInt64
  ) -> PhysicalAddress? {
    guard let size = entry.level.pageSize else { return nil }
    let start = entry.value.leafAddress(size: size) + (first - entry.first)
    guard start < FrameTable.end, isInDirectMap(entry, start, at: first) else { return nil }
    let end = min(start + (last - first + 1), FrameTable.end)
    for number in start.frameNumber..<end.frameNumber
    where !FrameTable.slot(number: number).kind.isOutsideAllocators {
      return PhysicalAddress(number << PageSize.fourKiB.shift)
    }
    if run.upperBound == start {
      run = run.lowerBound..<end
      return nil
    }
    let found = tableInLastRun
    run = start..<end
    return found
  }

  /// An address in the latest contiguous memory if a page table lies there, and nil otherwise.
  var tableInLastRun: PhysicalAddress? {
    !run.isEmpty && KernelSpace.usesTable(in: run) ? run.lowerBound : nil
  }

  /// Whether the direct map maps `memory` by `entry`, which does so at the address `page`.
  private func isInDirectMap(
    _ entry: KernelPages.Entry, _ memory: PhysicalAddress, at page: UInt64
  ) -> Bool {
    let address = UInt64(PhysicalMemory.directMapBase) &+ memory.rawValue
    if address == page { return true }
    let other = KernelPages(root: KernelSpace.rootAddress, areAdopted: true).entry(at: address)
    return other.table == entry.table
      && VirtualAddress(address).index(at: other.level)
        == VirtualAddress(page).index(at: entry.level)
  }
}
