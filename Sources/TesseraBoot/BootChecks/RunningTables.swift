internal import TesseraHardware
internal import TesseraPageTables

/// The page tables that the processor runs on, before they have nodes and before it is known that
/// they are mapped where the kernel says.
///
/// A table that cannot be read there is reported, and never faults. What is read may still be
/// wrong, if the kernel's direct map is: it is trusted once all memory is found mapped as it should
/// be.
struct RunningTables {
  let root: PhysicalAddress
  private let tables: RawPageTables
  private let base: UInt64
  /// The table of each level, from 1, that was last found to be readable.
  private var readable = [5 of PhysicalAddress](repeating: .limit)

  /// Reads the tables through a linear mapping at `base`: those that the processor runs on, or
  /// those below another `root`.
  init(base: UInt64, root: PhysicalAddress = Processor.rootAddress) {
    self.root = root
    // SAFETY: tables are read only, and only once they are known to be readable.
    tables = unsafe RawPageTables(base: UInt(base))
    self.base = base
  }

  /// The entry at `index` of `table`, of `level`; nil if the table cannot be read.
  mutating func entry(
    at index: Int, of table: PhysicalAddress, _ level: PagingLevel
  ) -> PageTableEntry? {
    let (address, overflow) = base.addingReportingOverflow(table.rawValue)
    if readable[level.number - 1] != table {
      guard !overflow, Processor.tryReadWord(at: address) != nil else { return nil }
      readable[level.number - 1] = table
    }
    return tables.entry(at: index, of: table)
  }

  mutating func rootEntry(at index: Int) -> PageTableEntry? {
    entry(at: index, of: root, PagingMode.current.rootLevel)
  }
}

extension RunningTables {
  /// A page of the running tables.
  struct Page {
    /// The physical address of its first byte.
    let target: UInt64
    let byteCount: UInt64
    let isWritable: Bool
    let isExecutable: Bool
  }

  /// The page that `address` lies in; nil if it is not mapped, or a table cannot be read.
  mutating func page(at address: VirtualAddress) -> Page? {
    guard address.isCanonical else { return nil }
    var table = root
    var level = PagingMode.current.rootLevel
    var rights = PageTableEntry.writable
    var prohibitions: UInt64 = 0
    while true {
      guard let entry = entry(at: address.index(at: level), of: table, level), entry.isPresent
      else { return nil }
      rights &= entry.rawValue
      prohibitions |= entry.rawValue & PageTableEntry.noExecute
      guard entry.leadsToTable(at: level) else {
        guard let size = level.pageSize else { return nil }
        return Page(
          target: entry.leafAddress(size: size).rawValue, byteCount: size.byteCount,
          isWritable: rights != 0, isExecutable: prohibitions == 0)
      }
      table = entry.tableAddress
      level = level.below
    }
  }

  /// The physical address of the byte at `address`; nil if it is not mapped.
  mutating func target(of address: UInt64) -> PhysicalAddress? {
    guard let page = page(at: VirtualAddress(address)) else { return nil }
    return PhysicalAddress(exactly: page.target + address % page.byteCount)
  }

  /// Whether every page of `region` is mapped at its physical address plus the base, at addresses
  /// in `kept`, and writable if it is usable memory.
  mutating func map(_ region: MemoryRegion, at kept: KeptAddresses) -> Bool {
    var position = region.start
    while position < region.end {
      let (address, overflow) = base.addingReportingOverflow(position.rawValue)
      guard !overflow, kept.contains(address), let page = page(at: VirtualAddress(address)),
        page.target == position.rawValue & ~(page.byteCount - 1),
        page.isWritable || region.kind != .usable
      else { return false }
      let step = page.byteCount - position.rawValue % page.byteCount
      guard let next = position.advanced(byChecked: step) else { return false }
      position = next
    }
    return true
  }

  /// The byte at `address`, or nil if it is not mapped or its frame is not mapped at `kept`.
  mutating func byte(at address: VirtualAddress, mappedAt kept: KeptAddresses) -> UInt8? {
    guard let word = alignedWord(at: address.rawValue & ~7, mappedAt: kept) else { return nil }
    return UInt8(truncatingIfNeeded: word >> (address.rawValue % 8 * 8))
  }

  /// The eight bytes at `address`, or nil as for `byte`.
  mutating func word(at address: UInt64, mappedAt kept: KeptAddresses) -> UInt64? {
    guard let low = alignedWord(at: address & ~7, mappedAt: kept) else { return nil }
    let shift = address % 8 * 8
    if shift == 0 { return low }
    guard let high = alignedWord(at: (address & ~7) &+ 8, mappedAt: kept) else { return nil }
    return low >> shift | high << (64 - shift)
  }

  private mutating func alignedWord(at address: UInt64, mappedAt kept: KeptAddresses) -> UInt64? {
    guard let place = target(of: address) else { return nil }
    let frame = place.alignedDown(to: PageSize.fourKiB.byteCount)
    guard
      let region = MemoryRegion(start: frame.rawValue, byteCount: 4096, kind: .kernelImage),
      map(region, at: kept)
    else { return nil }
    return tables.entry(at: Int(place.byteCount(from: frame) / 8), of: frame).rawValue
  }
}
