internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension ProtectionPlan {
  /// Throws `pageTableNotMapped` if a table of the kernel half cannot be changed; and unless they
  /// are `copied`, once for each address, `inReadOnlyMemory` if one is in memory that becomes
  /// read-only, and `pageTableShared` if one that maps code, or page zero, does so at several
  /// addresses. The tables are those that the processor runs on.
  func checkTables(copied: Bool, keepingBelow lowEnd: VirtualAddress) throws(BootError) {
    if isEmpty { return }
    var failure: PhysicalAddress?
    forEachBounds(keepingBelow: lowEnd) { bounds in
      if failure == nil { failure = Self.unreachableTable(in: bounds) }
    }
    if let failure { throw .pageTableNotMapped(failure) }
    if copied { return }
    if hasReadOnlyTable(keepingBelow: lowEnd) { throw .inReadOnlyMemory(.pageTable) }
    if !code.isEmpty {
      try checkOwn(code.lowerBound...code.upperBound - 1, keepingBelow: lowEnd)
    }
    if unmapsPageZero { try checkOwn(0...4095, keepingBelow: lowEnd) }
  }

  private static var runningPages: KernelPages {
    KernelPages(root: Processor.rootAddress, areAdopted: false)
  }

  /// A table of the pages in `bounds` that cannot be read, or nil if there is none.
  private static func unreachableTable(in bounds: ClosedRange<UInt64>) -> PhysicalAddress? {
    var position = bounds.lowerBound
    while true {
      let entry = runningPages.entry(at: position)
      if entry.kind == .unreachableTable { return entry.value.tableAddress }
      if entry.last >= bounds.upperBound { return nil }
      position = entry.last + 1
    }
  }

  /// Checks that the tables of the pages in `bounds` are reachable once.
  private func checkOwn(
    _ bounds: ClosedRange<UInt64>, keepingBelow lowEnd: VirtualAddress
  ) throws(BootError) {
    var position = bounds.lowerBound
    var last = PhysicalAddress.limit
    while true {
      let entry = Self.runningPages.entry(at: position)
      if entry.table != last && Self.isShared(entry.table, keepingBelow: lowEnd) {
        throw .pageTableShared(entry.table)
      }
      last = entry.table
      if entry.last >= bounds.upperBound { return }
      position = entry.last + 1
    }
  }

  /// Whether several entries of the kernel half lead to `table`, or to a table above it.
  private static func isShared(
    _ table: PhysicalAddress, keepingBelow lowEnd: VirtualAddress
  ) -> Bool {
    var count = 0
    forEachTable(keepingBelow: lowEnd) { if $0 == table { count += 1 } }
    return count > 1
  }

  /// Whether a table of the kernel half lies in memory that becomes read-only.
  private func hasReadOnlyTable(keepingBelow lowEnd: VirtualAddress) -> Bool {
    var isFound = false
    Self.forEachTable(keepingBelow: lowEnd) { table in
      let address = table.rawValue
      if readOnly.code.contains(address) || readOnly.constants.contains(address) { isFound = true }
    }
    return isFound
  }

  /// Calls `body` with each table of the kernel half, once for each address that it is at.
  private static func forEachTable(
    keepingBelow lowEnd: VirtualAddress, _ body: (PhysicalAddress) -> Void
  ) {
    let tables = RawPageTables.inDirectMap
    let low = KernelSpace.lowEntries(below: lowEnd)
    for index in 0..<512 where index >= 256 || low.contains(index) {
      tables.forEachTable(
        below: tables.entry(at: index, of: Processor.rootAddress),
        at: PagingMode.current.rootLevel, before: FrameTable.end
      ) { table, _ in body(table) }
    }
  }

  /// Counts the tables that `apply` needs below the root that the processor runs on, and allocates
  /// them.
  ///
  /// Throws `outOfFrames`.
  func reserve(
    _ splits: inout SplitTables, keepingBelow lowEnd: VirtualAddress
  ) throws(TesseraError) {
    if isEmpty { return }
    apply(to: Processor.rootAddress, areAdopted: false, &splits, keepingBelow: lowEnd)
    try splits.reserve()
  }

  /// Changes the entries below `root`, if `splits` is reserved.
  func apply(
    to root: PhysicalAddress, areAdopted: Bool = true, _ splits: inout SplitTables,
    keepingBelow lowEnd: VirtualAddress
  ) {
    if isEmpty { return }
    let pages = KernelPages(root: root, areAdopted: areAdopted)
    forEachBounds(keepingBelow: lowEnd) { bounds in
      pages.apply(to: bounds, &splits) { change(of: $0) }
    }
  }

  /// The addresses of the kernel half, in each half of the address space.
  private func forEachBounds(
    keepingBelow lowEnd: VirtualAddress, _ body: (ClosedRange<UInt64>) -> Void
  ) {
    let low = KernelSpace.lowEntries(below: lowEnd).count
    if low > 0 { body(0...(UInt64(low) << PagingMode.current.rootLevel.shift) - 1) }
    body((0 &- PagingMode.current.lowerHalfEnd.rawValue)...UInt64.max)
  }
}
