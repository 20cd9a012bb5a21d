internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// The page tables that the kernel was loaded with, as they become the kernel half of every space.
///
/// Adopted leaves own no frame and keep their memory types; entries that are not present become
/// absent. Tables at addresses without memory are left as they are. A kernel may instead have the
/// tables copied: the frames for the copies are allocated first, so that adopting cannot fail.
struct LoaderTables: ~Copyable {
  private let running: RunningTables
  /// The value of IA32_PAT that the tables were made for.
  private let attributeTable: UInt64
  private let areCopied: Bool
  /// Frames for the copies that have not been made yet.
  private var reserve = FrameList<LoaderTableCopy>()

  /// The tables that the processor runs on, which lie in memory that the direct map maps.
  init(copied: Bool) {
    running = RunningTables(base: UInt64(PhysicalMemory.directMapBase))
    attributeTable = CachePolicy.installedAttributeTable
    areCopied = copied
  }

  /// Allocates the frames that `adopt` needs for the root's entries at `indices`.
  ///
  /// Throws `outOfFrames`.
  mutating func reserveCopies(for indices: Range<Int>) throws(FrameError) {
    guard areCopied else { return }
    var count = 0
    for index in indices {
      running.forEachTable(below: index, before: FrameTable.end) { _, _ in count += 1 }
    }
    for _ in 0..<count {
      reserve.pushBack(try UniqueFrame(allocating: LoaderTableCopy()))
    }
  }

  /// Stores the root's entries at `indices` in `node`, and makes the tables below them Tessera's.
  mutating func adopt(_ indices: Range<Int>, into node: LockedNode) {
    let level = PagingMode.current.rootLevel
    let tables = running.tables
    for index in indices {
      let entry = adopted(running.rootEntry(at: index), at: level)
      node.store(entry, at: index)
      tables.forEachTable(below: entry, at: level, before: FrameTable.end) { table, level in
        for index in 0..<512 {
          let old = tables.entry(at: index, of: table)
          if !old.isAbsent { tables.set(adopted(old, at: level), at: index, of: table) }
        }
      }
    }
  }

  /// What `entry`, of a table at `level`, becomes. A table that is copied is still the loader's
  /// below its own entries.
  private mutating func adopted(
    _ entry: PageTableEntry, at level: PagingLevel
  ) -> PageTableEntry {
    if entry.leadsToTable(at: level) {
      guard areCopied, entry.tableAddress < FrameTable.end else { return entry }
      return PageTableEntry(
        rawValue: entry.rawValue & ~PageTableEntry.addressMask
          | makeCopy(of: entry.tableAddress).rawValue)
    }
    guard entry.isPresent, let size = level.pageSize else { return .absent }
    return entry.adopted(size: size, attributeTable: attributeTable)
  }

  private mutating func makeCopy(of table: PhysicalAddress) -> PhysicalAddress {
    guard let copy = reserve.popFront() else {
      panic("no frame was reserved for the copy of a loader's table")
    }
    running.tables.copy(table, to: copy.address)
    return copy.shared().relinquish()
  }
}

/// The metadata of a copy of a loader's table, which is permanent.
struct LoaderTableCopy: FrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe LoaderTableCopy.destroy(at: $0) } }
  static var role: FrameRole { FrameRole(.metadata, isUntyped: false) }
}
