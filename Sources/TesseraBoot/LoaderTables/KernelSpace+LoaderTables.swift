internal import TesseraFrames
package import TesseraHardware
internal import TesseraPageTables
package import TesseraSpaces

extension KernelSpace {
  /// Whether one of the page tables that map the kernel half, except those of `area`, lies in
  /// `range`.
  package static func usesTable(in range: Range<PhysicalAddress>) -> Bool {
    var isUsed = false
    forEachLoaderTable { table, _ in
      if range.contains(table) { isUsed = true }
    }
    return isUsed
  }

  /// Calls `report` once for each violated invariant of the tables that the kernel was loaded with,
  /// or of their copies, with the address of the table.
  package static func checkLoaderTables(_ report: (StaticString, PhysicalAddress) -> Void) {
    checkEntries(of: rootAddress, report)
    forEachLoaderTable { table, _ in
      checkOwner(of: table, report)
      checkEntries(of: table, report)
    }
  }

  /// Checks that the frame of `table` can be used for nothing else.
  private static func checkOwner(
    of table: PhysicalAddress, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let slot = FrameTable.slot(number: table.frameNumber)
    let isFree =
      slot.count == ReferenceCount.free || slot.count == ReferenceCount.unused && slot.kind == .none
    if isFree { report("page table of the kernel half lies in a free frame", table) }
    if slot.kind.usage == .object || slot.kind.usage == .tail {
      report("page table of the kernel half lies in a client's frame", table)
    }
  }

  private static func checkEntries(
    of table: PhysicalAddress, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let isRoot = table == rootAddress
    for index in 0..<512 {
      let entry = RawPageTables.inDirectMap.entry(at: index, of: table)
      if isRoot && AddressSpaceLayout.userEntries.contains(index) { continue }
      if entry.isPresent && entry.rawValue & PageTableEntry.user != 0 {
        report("entry of the kernel half leaves access to user programs", table)
      }
    }
  }

  /// Calls `body` for each table below the kernel's root, except those of `area`.
  private static func forEachLoaderTable(
    _ body: (_ table: PhysicalAddress, _ level: PagingLevel) -> Void
  ) {
    let tables = RawPageTables.inDirectMap
    let level = PagingMode.current.rootLevel
    for index in 0..<512
    where index != AddressSpaceLayout.kernelVirtualAreaEntry
      && !AddressSpaceLayout.userEntries.contains(index)
    {
      tables.forEachTable(
        below: tables.entry(at: index, of: rootAddress), at: level, before: FrameTable.end, body)
    }
  }
}
