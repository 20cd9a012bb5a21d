internal import Synchronization
package import TesseraHardware
internal import TesseraPageTables

/// Page tables, read and written where they lie in physical memory.
///
/// Has a window of its own, so that tables can be built through the one that the loader left, for a
/// time when `PhysicalMemory` is seen through another.
@safe
package struct RawPageTables {
  /// The virtual address at which physical byte zero is, or would be, visible.
  private let base: UInt

  /// The caller promises that each table that is later named is visible at its address plus `base`,
  /// that it is a table or free memory that the caller owns, and that it stays so.
  @unsafe package init(base: UInt) { self.base = base }

  /// The entry at `index` of the table at `table`, as the processor would read it now.
  package func entry(at index: Int, of table: PhysicalAddress) -> PageTableEntry {
    // SAFETY: the maker of the window promised that the table is there.
    // Ordering: relaxed; pairs with nothing. The tables are built before any processor uses them,
    // and the load of CR3 that makes one use them orders everything before it.
    PageTableEntry(rawValue: unsafe word(index, table).pointee.load(ordering: .relaxed))
  }

  package func set(_ entry: PageTableEntry, at index: Int, of table: PhysicalAddress) {
    // SAFETY: the maker of the window owns the table.
    // Ordering: relaxed, as in `entry(at:of:)`.
    unsafe word(index, table).pointee.store(entry.rawValue, ordering: .relaxed)
  }

  /// Makes all entries of the table at `table` absent.
  package func clear(_ table: PhysicalAddress) {
    // SAFETY: the maker of the window owns the 512 words of the table.
    unsafe Processor.fill(UnsafeMutableRawPointer(word(0, table)), with: 0, count: 512)
  }

  @unsafe private func word(
    _ index: Int, _ table: PhysicalAddress
  ) -> UnsafeMutablePointer<Atomic<UInt64>> {
    require(index >= 0 && index < 512, "a page table has 512 entries")
    require(table.isAligned(to: .fourKiB), "a page table is aligned to its size", table)
    let visible = base &+ UInt(truncatingIfNeeded: table.rawValue) &+ UInt(index) &* 8
    // SAFETY: the maker of the window promised that the table is there; the word is one of its 512.
    return unsafe UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: visible).unsafelyUnwrapped
  }
}
