internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// The page tables that the kernel was loaded with, as they become the kernel half of every space.
///
/// Adopted leaves own no frame and keep their memory types; entries that are not present become
/// absent, and no entry leaves access to user programs. Tables at addresses without slots are left
/// as they are. A kernel may instead have the tables copied: the frames for the copies are
/// allocated first, so that adopting cannot fail.
///
/// Each table is adopted once, however many entries lead to it, because what an entry becomes is
/// not what a loader's entry would be. The slots of the tables tell: before they are adopted, they
/// are marked with their level.
struct LoaderTables: ~Copyable {
  private let root: PhysicalAddress
  private let tables: RawPageTables
  /// The value of IA32_PAT that the tables were made for.
  private let attributeTable: UInt64
  private let areCopied: Bool
  /// Whether the tables that are being adopted are copied.
  private var isCopying = false
  /// Frames for the copies that have not been made yet.
  private var reserve = FrameList<LoaderTableCopy>()
  private(set) var result = AdoptionResult()

  /// The tables that the processor runs on, which lie in memory that the direct map maps.
  init(copied: Bool) {
    root = Processor.rootAddress
    tables = .inDirectMap
    attributeTable = CachePolicy.installedAttributeTable
    areCopied = copied
  }

  /// Allocates the frames that `adopt` needs for the root's entries at `indices`.
  ///
  /// Throws `outOfFrames`.
  mutating func reserveCopies(for indices: Range<Int>) throws(TesseraError) {
    guard areCopied else { return }
    var count = 0
    for index in indices {
      tables.forEachTable(
        below: tables.entry(at: index, of: root), at: PagingMode.current.rootLevel,
        before: FrameTable.end
      ) { _, _ in count += 1 }
    }
    for _ in 0..<count {
      reserve.pushBack(try UniqueFrame(allocating: LoaderTableCopy()))
    }
  }

  /// Stores the root's entries at `indices` in `node`, and makes the tables below them Tessera's.
  ///
  /// The tables are marked, unless they are copied. Those of Tessera's own direct map are not
  /// `copied`, and each is reachable once.
  mutating func adopt(_ indices: Range<Int>, into node: LockedNode, copied: Bool = true) {
    isCopying = copied && areCopied
    let level = PagingMode.current.rootLevel
    let tables = tables
    for index in indices {
      let entry = adopted(tables.entry(at: index, of: root), at: level)
      node.store(entry, at: index)
      tables.forEachTable(below: entry, at: level, before: FrameTable.end) { table, level in
        guard areCopied || takeMark(of: table) else { return }
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
    guard entry.isPresent else { return .absent }
    if entry.rawValue & PageTableEntry.user != 0 { result.userEntryCount += 1 }
    if entry.leadsToTable(at: level) {
      let own = PageTableEntry(rawValue: entry.rawValue & ~PageTableEntry.user)
      guard isCopying, entry.tableAddress < FrameTable.end else { return own }
      return PageTableEntry(
        rawValue: own.rawValue & ~PageTableEntry.addressMask
          | makeCopy(of: entry.tableAddress).rawValue)
    }
    guard let size = level.pageSize else { return .absent }
    return entry.adopted(size: size, attributeTable: attributeTable)
  }

  private mutating func makeCopy(of table: PhysicalAddress) -> PhysicalAddress {
    guard let copy = reserve.popFront() else {
      panic("no frame was reserved for the copy of a loader's table")
    }
    tables.copy(table, to: copy.address)
    return copy.shared().relinquish()
  }

  /// Whether `table` has not been adopted yet. It counts as adopted afterwards, and cannot be
  /// claimed if it is in low memory.
  private mutating func takeMark(of table: PhysicalAddress) -> Bool {
    let slot = FrameTable.slot(number: table.frameNumber)
    guard slot.loaderTableLevel != 0 else { return false }
    slot.setLoaderTableLevel(0)
    if slot.count == ReferenceCount.unused && slot.kind == .none {
      FrameTable.reserve(from: table, to: table + PageSize.fourKiB.byteCount, for: .kernel)
      result.lowTableCount += 1
    }
    return true
  }
}

/// What became of the loader's tables.
package struct AdoptionResult {
  /// The number of entries that left access to user programs.
  package fileprivate(set) var userEntryCount: UInt64 = 0
  /// The number of tables in low memory, which are reserved now.
  package fileprivate(set) var lowTableCount: UInt64 = 0
}

/// The levels of the loader's tables, in their slots, while nothing else uses the slots.
enum LoaderTableMarks {
  /// Marks the tables below the entries of the running root at `indices`.
  ///
  /// Returns the first table that is reachable at two levels, or nil if there is none.
  static func set(below indices: Range<Int>) -> PhysicalAddress? {
    let root = Processor.rootAddress
    let tables = RawPageTables.inDirectMap
    var found: PhysicalAddress?
    for index in indices {
      tables.forEachTable(
        below: tables.entry(at: index, of: root), at: PagingMode.current.rootLevel,
        before: FrameTable.end
      ) { table, level in
        let slot = FrameTable.slot(number: table.frameNumber)
        let number = UInt64(level.number)
        if table == root || slot.loaderTableLevel != 0 && slot.loaderTableLevel != number {
          found = found ?? table
        }
        slot.setLoaderTableLevel(number)
      }
    }
    return found
  }

  /// Removes the marks.
  static func clear(below indices: Range<Int>) {
    let tables = RawPageTables.inDirectMap
    for index in indices {
      tables.forEachTable(
        below: tables.entry(at: index, of: Processor.rootAddress),
        at: PagingMode.current.rootLevel, before: FrameTable.end
      ) { table, _ in FrameTable.slot(number: table.frameNumber).setLoaderTableLevel(0) }
    }
  }
}

/// The metadata of a copy of a loader's table, which is permanent.
struct LoaderTableCopy: FrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe LoaderTableCopy.destroy(at: $0) } }
  static var role: FrameRole { FrameRole(.metadata, isUntyped: false) }
}
