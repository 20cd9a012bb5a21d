internal import TesseraFrames
package import TesseraHardware
internal import TesseraPageTables

extension KernelSpace {
  /// Calls `report` once for each violated invariant of the tables of `area`, and `visit` for each
  /// leaf entry, in ascending order of addresses. As `VmSpace.checkInvariants`.
  package static func checkInvariants(
    allowsWriteExecute: Bool = false, within range: Range<VirtualAddress>? = nil,
    _ report: (StaticString, VirtualAddress, PagingLevel) -> Void,
    visit: (PageTableEntry, VirtualAddress, PageSize) -> Void = { _, _, _ in }
  ) {
    let level = PagingMode.current.rootLevel
    for index in AddressSpaceLayout.userEntries where !root[index].isAbsent {
      let address = VirtualAddress(UInt64(index) << level.shift)
      report("kernel root has an entry in the user range", address, level)
    }
    checkRoot(root, report)
    checkProcessors(report)
    let start = area.lowerBound
    let entry = root[AddressSpaceLayout.kernelVirtualAreaEntry]
    guard entry.isTable, let slot = try? FrameTable.slot(at: entry.tableAddress),
      slot.kind.usage == .pageTable
    else { return report("kernel virtual area has no table", start, level) }
    // SAFETY: the frame's usage says that it is a node, and the root keeps it.
    let table = unsafe PageTableNode(at: entry.tableAddress)
    if slot.count != 1 {
      report("table of the kernel virtual area has another owner", start, level)
    }
    table.checkInvariants(
      of: level.below, from: start.alignedDown(to: level.span),
      PageTableRules(
        isKernel: true, allowsWriteExecute: allowsWriteExecute, within: .bytes(of: range)),
      report, visit: visit)
  }

  /// Checks that each processor runs on a root, and this one on that in CR3.
  private static func checkProcessors(_ report: PageTableReport) {
    let level = PagingMode.current.rootLevel
    let start = VirtualAddress(0)
    for processor in 0..<FrameAllocator.processorCount {
      guard let address = ActiveRoots.rootAddress(of: processor) else { continue }
      if processor == Processor.current && Processor.rootAddress != address {
        report("CR3 was loaded with another root than the one activated", start, level)
      }
      guard let slot = try? FrameTable.slot(at: address), slot.kind.usage == .pageTable else {
        report("processor runs on a root that is no page-table node", start, level)
        continue
      }
      // SAFETY: the frame's usage says that it is a node, and nothing else runs.
      if unsafe !PageTableNode(at: address).isActive(on: processor) {
        report("processor runs on a root that is not active on it", start, level)
      }
    }
  }

  /// Checks what holds of every root: its owners, and that its kernel entries are the kernel's.
  static func checkRoot(_ node: PageTableNode, _ report: PageTableReport) {
    let level = PagingMode.current.rootLevel
    let start = VirtualAddress(0)
    let ownerCount = 1 + UInt64(node.activeProcessorCount)
    if node.slot.count != ownerCount {
      report("root's owners are not its space and its active processors", start, level)
    }
    for processor in 0..<max(ProcessorSet.groupSize, FrameAllocator.processorCount) {
      let runsOnIt = ActiveRoots.rootAddress(of: processor) == node.address
      if node.isActive(on: processor) != runsOnIt {
        report("root is not active on the processors that run on it", start, level)
      }
    }
    if node.slot.kind.usage != .pageTable { report("root is not a page-table node", start, level) }
    if node.isLocked { report("root is locked", start, level) }
    for index in 0..<512 where node[index] != root[index] {
      if AddressSpaceLayout.userEntries.contains(index) { continue }
      // A processor sets the accessed bit in the root that it runs on alone.
      let difference = node[index].rawValue ^ root[index].rawValue
      if difference & ~PageTableEntry.accessed == 0 { continue }
      let address = VirtualAddress(UInt64(index) << level.shift | ~0 << (level.shift + 9))
      report("kernel entry differs from the kernel root's", address, level)
    }
  }
}

extension ClosedRange<UInt64> {
  /// The addresses of `range`, which is not empty, from first to last; all addresses if it is nil.
  static func bytes(of range: Range<VirtualAddress>?) -> ClosedRange<UInt64> {
    guard let range else { return 0...(.max) }
    return range.lowerBound.rawValue...range.upperBound.rawValue - 1
  }
}
