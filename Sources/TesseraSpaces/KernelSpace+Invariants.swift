internal import TesseraFrames
package import TesseraHardware
internal import TesseraPageTables

extension KernelSpace {
  /// Calls `report` once for each rule that the tables of `area` do not keep, and `visit` with each
  /// leaf, in the order of their addresses. As for a `VmSpace`.
  package static func checkInvariants(
    allowsWriteExecute: Bool = false, within range: Range<VirtualAddress>? = nil,
    _ report: (StaticString, VirtualAddress, PagingLevel) -> Void,
    visit: (PageTableEntry, VirtualAddress, PageSize) -> Void = { _, _, _ in }
  ) {
    let level = PagingMode.current.rootLevel
    for index in AddressSpaceLayout.userEntries where !root[index].isAbsent {
      let address = VirtualAddress(UInt64(index) << level.shift)
      report("the kernel's root leads to nothing in the lower half", address, level)
    }
    checkRoot(root, report)
    let start = area.lowerBound
    let entry = root[start.index(at: level)]
    guard entry.isTable, let slot = try? FrameTable.slot(at: entry.tableAddress),
      slot.kind.usage == .pageTable
    else { return report("the kernel's area has a table for good", start, level) }
    // SAFETY: the frame's usage says that it is a node, and the root keeps it.
    let table = unsafe PageTableNode(at: entry.tableAddress)
    if slot.count != 1 { report("a node's parent is its only owner", start, level) }
    table.checkInvariants(
      of: level.below, from: start.alignedDown(to: level.span),
      PageTableRules(
        isKernel: true, allowsWriteExecute: allowsWriteExecute, within: .bytes(of: range)),
      report, visit: visit)
  }

  /// The rules of a root: who has it, and that its upper half is the kernel's.
  static func checkRoot(_ node: PageTableNode, _ report: PageTableReport) {
    let level = PagingMode.current.rootLevel
    let start = VirtualAddress(0)
    let ownerCount = 1 + UInt64(node.activeProcessors.nonzeroBitCount)
    if node.slot.count != ownerCount {
      report("a root belongs to its space and to the processors that run on it", start, level)
    }
    if node.slot.kind.usage != .pageTable { report("a root's frame is a node", start, level) }
    if node.isLocked { report("a node's lock is free while nothing happens", start, level) }
    for index in 0..<512 where node[index] != root[index] {
      if AddressSpaceLayout.userEntries.contains(index) { continue }
      // The processor may have used one of them in the meantime.
      let difference = node[index].rawValue ^ root[index].rawValue
      if difference & ~PageTableEntry.accessed == 0 { continue }
      let address = VirtualAddress(UInt64(index) << level.shift | ~0 << (level.shift + 9))
      report("the kernel's half is the same in every space", address, level)
    }
  }
}

extension ClosedRange<UInt64> {
  /// From the first address of `range`, which is not empty, to the last; without one, all.
  static func bytes(of range: Range<VirtualAddress>?) -> ClosedRange<UInt64> {
    guard let range else { return 0...(.max) }
    return range.lowerBound.rawValue...range.upperBound.rawValue - 1
  }
}
