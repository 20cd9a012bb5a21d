package import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Calls `report` once for each violated invariant of the space's tables, and `visit` for each
  /// leaf entry, in ascending order of addresses.
  ///
  /// With a `range`, checks only the tables and leaves for its addresses.
  ///
  /// - Precondition: no cursor is open on the space, and nothing else uses it meanwhile.
  package borrowing func checkInvariants(
    allowsWriteExecute: Bool = false, within range: Range<VirtualAddress>? = nil,
    _ report: (StaticString, VirtualAddress, PagingLevel) -> Void,
    visit: (PageTableEntry, VirtualAddress, PageSize) -> Void = { _, _, _ in }
  ) {
    root.checkInvariants(
      of: PagingMode.current.rootLevel, from: VirtualAddress(0),
      indices: AddressSpaceLayout.userEntries,
      PageTableRules(
        isKernel: false, allowsWriteExecute: allowsWriteExecute, within: .bytes(of: range)),
      report, visit: visit)
    KernelSpace.checkRoot(root, report)
  }
}
