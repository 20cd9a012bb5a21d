internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// The tables that the kernel's loader made, and how they become the kernel's own half.
///
/// Leaves get the mark of one that owns nothing and keep their memory types, and what is not
/// present becomes absent. Tables where no memory is are left alone.
struct LoaderTables {
  /// The root that the processor runs on.
  let root: PhysicalAddress
  private let window: RawPageTables
  /// What IA32_PAT held when the tables were made.
  private let attributeTable: UInt64
  /// Whether the tables are copied, rather than used on.
  private let areCopied: Bool

  /// The tables that the processor runs on, which are visible through the window of physical
  /// memory.
  init(copied: Bool) {
    root = PhysicalAddress(Processor.rootRegister & PageTableEntry.addressMask)
    // SAFETY: whoever starts the kernel's space promises that the tables are visible.
    window = unsafe RawPageTables(base: PhysicalMemory.directMapBase)
    attributeTable = CachePolicy.installedAttributeTable
    areCopied = copied
  }

  /// The entry at `index` of the root.
  func entry(at index: Int) -> PageTableEntry { window.entry(at: index, of: root) }

  /// Puts the entries at `indices` of the root, as Tessera's, into `node`.
  ///
  /// Throws `outOfFrames` if there is no room for a copy; then nothing is kept of this.
  func give(_ indices: Range<Int>, to node: PageTableNode) throws(FrameError) {
    let level = PagingMode.current.rootLevel
    for index in indices {
      do throws(FrameError) {
        node.store(try taken(entry(at: index), level), at: index)
      } catch {
        takeBack(indices.lowerBound..<index, from: node)
        throw error
      }
    }
  }

  /// Undoes `give`.
  func takeBack(_ indices: Range<Int>, from node: PageTableNode) {
    let level = PagingMode.current.rootLevel
    for index in indices {
      dropCopy(node[index], level)
      node.store(.absent, at: index)
    }
  }

  /// An entry of a table of `level` as one of Tessera's.
  private func taken(
    _ entry: PageTableEntry, _ level: PagingLevel
  ) throws(FrameError) -> PageTableEntry {
    if entry.leadsToTable(at: level) {
      guard entry.tableAddress < FrameTable.end else { return entry }
      guard areCopied else {
        try take(entry.tableAddress, level.below, to: entry.tableAddress)
        return entry
      }
      let copy = try UniqueFrame(allocating: LoaderTableCopy())
      try take(entry.tableAddress, level.below, to: copy.address)
      let address = copy.shared().relinquish().rawValue
      return PageTableEntry(rawValue: entry.rawValue & ~PageTableEntry.addressMask | address)
    }
    guard entry.isPresent, let size = level.pageSize else { return .absent }
    return entry.adopted(size: size, attributeTable: attributeTable)
  }

  /// Makes the table at `target` what the table at `source`, of `level`, is to be.
  private func take(
    _ source: PhysicalAddress, _ level: PagingLevel, to target: PhysicalAddress
  ) throws(FrameError) {
    for index in 0..<512 {
      let old = window.entry(at: index, of: source)
      if old.isAbsent { continue }
      do throws(FrameError) {
        window.set(try taken(old, level), at: index, of: target)
      } catch {
        for earlier in 0..<index { dropCopy(window.entry(at: earlier, of: target), level) }
        throw error
      }
    }
  }

  /// Frees the copy, and all copies below it, that an entry of a table of `level` leads to.
  private func dropCopy(_ entry: PageTableEntry, _ level: PagingLevel) {
    guard areCopied, entry.leadsToTable(at: level), entry.tableAddress < FrameTable.end else {
      return
    }
    for index in 0..<512 {
      dropCopy(window.entry(at: index, of: entry.tableAddress), level.below)
    }
    // SAFETY: `taken` gave up this count when it made the copy.
    _ = unsafe Frame<LoaderTableCopy>(adopting: entry.tableAddress)
  }
}

/// The metadata of a copy of a loader's table, which stays for good.
private struct LoaderTableCopy: FrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe LoaderTableCopy.destroy(at: $0) } }
  static var role: FrameRole { FrameRole(.metadata, isUntyped: false) }
}
