internal import TesseraHardware
internal import TesseraPageTables

/// The page tables that the processor runs on, before they have nodes.
struct RunningTables {
  private let root: PhysicalAddress
  let tables: RawPageTables
  private let base: UInt64

  /// The tables are read through a linear mapping at `base`; if they are not mapped there, reading
  /// them is a page fault.
  init(base: UInt64) {
    self.init(
      base: base, root: Processor.rootAddress)
  }

  /// The tables below `root`.
  init(base: UInt64, root: PhysicalAddress) {
    self.root = root
    // SAFETY: the kernel's promise of `BootConfiguration.init`; only the tables that the processor
    // uses are read.
    tables = unsafe RawPageTables(base: UInt(base))
    self.base = base
  }

  func rootEntry(at index: Int) -> PageTableEntry { tables.entry(at: index, of: root) }

  /// Calls `body` for each table below the root's entry at `index`; see
  /// `RawPageTables.forEachTable`.
  func forEachTable(
    below index: Int, before end: PhysicalAddress,
    _ body: (_ table: PhysicalAddress, _ level: PagingLevel) -> Void
  ) {
    tables.forEachTable(
      below: rootEntry(at: index), at: PagingMode.current.rootLevel, before: end, body)
  }

  /// Whether every page of `region` is mapped at its physical address plus the base, at addresses
  /// in `kept`.
  func map(_ region: MemoryRegion, at kept: KeptAddresses) -> Bool {
    var position = region.start
    while position < region.end {
      let (address, overflow) = base.addingReportingOverflow(position.rawValue)
      let virtual = VirtualAddress(address)
      guard !overflow, kept.contains(address), virtual.isCanonical, let page = page(at: virtual),
        page.target == position.rawValue & ~(page.byteCount - 1)
      else { return false }
      let step = page.byteCount - position.rawValue % page.byteCount
      guard let next = position.advanced(byChecked: step) else { return false }
      position = next
    }
    return true
  }

  /// The byte at `address`, or nil if it is not mapped or its frame is not mapped at `kept`.
  func byte(at address: VirtualAddress, mappedAt kept: KeptAddresses) -> UInt8? {
    guard address.isCanonical, let page = page(at: address) else { return nil }
    let byte = page.target + address.rawValue % page.byteCount
    guard let frame = PhysicalAddress(exactly: byte & ~4095),
      let region = MemoryRegion(start: frame.rawValue, byteCount: 4096, kind: .usable),
      map(region, at: kept)
    else { return nil }
    let word = tables.entry(at: Int(byte % 4096 / 8), of: frame).rawValue
    return UInt8(truncatingIfNeeded: word >> (byte % 8 * 8))
  }

  /// The page that `address` lies in: its first physical byte, and its size.
  private func page(at address: VirtualAddress) -> (target: UInt64, byteCount: UInt64)? {
    let end = tables.walk(to: address, from: root, at: PagingMode.current.rootLevel)
    guard end.entry.isPresent, let size = end.level.pageSize else { return nil }
    return (end.entry.leafAddress(size: size).rawValue, size.byteCount)
  }
}
