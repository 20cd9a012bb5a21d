internal import Synchronization
package import TesseraHardware
internal import TesseraPageTables

/// Page tables that have no nodes: those of the loader, and those of a direct map being built.
///
/// They are accessed as plain memory, through a linear mapping of the caller's choice: before the
/// start that is the loader's mapping, which need not be the direct map of `PhysicalMemory`.
@safe
package struct RawPageTables {
  /// The virtual address of physical byte zero in the linear mapping, whether or not it is mapped.
  private let base: UInt

  /// The caller promises that every table passed to the methods is mapped, writable if it is
  /// written, at its physical address plus `base`, and that it is a table, or free memory that the
  /// caller owns.
  @unsafe package init(base: UInt) { self.base = base }

  /// The tables in memory that the direct map of `PhysicalMemory` maps, once there is one.
  static var inDirectMap: RawPageTables {
    // SAFETY: callers access only tables, in memory that the direct map maps.
    unsafe RawPageTables(base: PhysicalMemory.directMapBase)
  }

  /// The entry at `index` of the table at `table`.
  package func entry(at index: Int, of table: PhysicalAddress) -> PageTableEntry {
    // SAFETY: the promise of `init`.
    // Ordering: relaxed; pairs with nothing. One processor runs, and loading CR3 orders everything
    // before it.
    PageTableEntry(rawValue: unsafe word(index, table).pointee.load(ordering: .relaxed))
  }

  package func set(_ entry: PageTableEntry, at index: Int, of table: PhysicalAddress) {
    // SAFETY: the promise of `init`.
    // Ordering: relaxed, as in `entry(at:of:)`.
    unsafe word(index, table).pointee.store(entry.rawValue, ordering: .relaxed)
  }

  /// Makes all entries of the table at `table` absent.
  package func clear(_ table: PhysicalAddress) {
    // SAFETY: the promise of `init`; a table has 512 words.
    unsafe Processor.fill(UnsafeMutableRawPointer(word(0, table)), with: 0, count: 512)
  }

  /// Copies all entries of the table at `source` to the one at `target`.
  package func copy(_ source: PhysicalAddress, to target: PhysicalAddress) {
    for index in 0..<512 { set(entry(at: index, of: source), at: index, of: target) }
  }

  @unsafe private func word(
    _ index: Int, _ table: PhysicalAddress
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    require(index >= 0 && index < 512, "page-table index is out of range")
    require(table.isAligned(to: .fourKiB), "page table is not 4 KiB aligned", table)
    let address = base &+ UInt(truncatingIfNeeded: table.rawValue) &+ UInt(index) &* 8
    // SAFETY: the promise of `init`; the word is one of the table's 512.
    return unsafe UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: address).unsafelyUnwrapped
  }
}

extension RawPageTables {
  /// An entry, and where it is.
  package struct Position {
    package let table: PhysicalAddress
    package let level: PagingLevel
    package let entry: PageTableEntry
  }

  /// Walks from the table at `table`, of `level`, toward `address`: to the first entry that leads
  /// to no table, or to the entry at level `lowest`.
  package func walk(
    to address: VirtualAddress, from table: PhysicalAddress, at level: PagingLevel,
    downTo lowest: PagingLevel = PagingLevel(1)
  ) -> Position {
    var table = table
    var level = level
    while true {
      let entry = entry(at: address.index(at: level), of: table)
      guard level > lowest, entry.leadsToTable(at: level) else {
        return Position(table: table, level: level, entry: entry)
      }
      table = entry.tableAddress
      level = level.below
    }
  }

  /// Calls `body` for each table below `entry`, an entry at `level`, parents first.
  ///
  /// `body` may change its table; the traversal continues with the entries it leaves. Tables at or
  /// above `end` are skipped. A table that several entries lead to is visited once for each.
  package func forEachTable(
    below entry: PageTableEntry, at level: PagingLevel, before end: PhysicalAddress,
    _ body: (_ table: PhysicalAddress, _ level: PagingLevel) -> Void
  ) {
    guard entry.leadsToTable(at: level), entry.tableAddress < end else { return }
    let table = entry.tableAddress
    let lower = level.below
    body(table, lower)
    if lower == PagingLevel(1) { return }
    for index in 0..<512 {
      forEachTable(below: self.entry(at: index, of: table), at: lower, before: end, body)
    }
  }
}
