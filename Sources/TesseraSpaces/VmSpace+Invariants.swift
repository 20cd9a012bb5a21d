package import TesseraHardware
internal import TesseraPageTables

extension VmSpace {
  /// Calls `report` once for each rule that the space's tables do not keep, and `visit` with each
  /// leaf, in the order of their addresses.
  ///
  /// Of the tables, only those for an address of `range` are looked at, if there is one. No cursor
  /// may be open on the space, and nothing else may use it meanwhile.
  package borrowing func checkInvariants(
    allowsWriteExecute: Bool = false, within range: Range<VirtualAddress>? = nil,
    _ report: (StaticString, VirtualAddress, PagingLevel) -> Void,
    visit: (PageTableEntry, VirtualAddress, PageSize) -> Void = { _, _, _ in }
  ) {
    let level = PagingMode.current.rootLevel
    root.checkInvariants(
      of: level, from: VirtualAddress(0), indices: AddressSpaceLayout.userEntries,
      PageTableRules(
        isKernel: false, allowsWriteExecute: allowsWriteExecute, within: .bytes(of: range)),
      report, visit: visit)
    KernelSpace.checkRoot(root, report)
  }
}
