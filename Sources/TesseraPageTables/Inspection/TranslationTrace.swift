internal import TesseraFrames
package import TesseraHardware

/// The entries that a processor reads to translate one address, as they were at some moment.
///
/// Takes no lock, and accepts any address and any tables, including those of a loader, whose leaves
/// lack Tessera's bits. Stops at a table that lies outside the memory of the direct map.
package struct TranslationTrace {
  package let address: VirtualAddress
  /// The level of the root.
  package let highestLevel: PagingLevel
  /// The level of the last entry that was read.
  package private(set) var lowestLevel: PagingLevel
  private var entries = [5 of PageTableEntry](repeating: .absent)

  /// Walks the tables under `root`, which the caller keeps.
  package init(of address: VirtualAddress, from root: PageTableNode) {
    self.address = address
    highestLevel = PagingMode.current.rootLevel
    lowestLevel = highestLevel
    while !read(from: root) {}
  }

  /// Reads the entries. Returns false if a node was detached meanwhile: they may be of no tables.
  private mutating func read(from root: PageTableNode) -> Bool {
    let version = TreeVersion()
    var entries = [5 of PageTableEntry](repeating: .absent)
    let found = root.walk(to: address, in: version) { entry, level in
      entries[level.number - 1] = entry
      return entry.leadsToTable(at: level) && FrameTable.isMapped(entry.tableAddress)
    }
    guard let (node, level) = found else { return false }
    entries[level.number - 1] = node[address.index(at: level)].settled
    self.entries = entries
    lowestLevel = level
    return version.isLatest
  }

  /// The entry of `level`, which is one from the highest to the lowest.
  package subscript(level: PagingLevel) -> PageTableEntry { entries[level.number - 1] }

  /// The entry at which the walk ended.
  package var last: PageTableEntry { entries[lowestLevel.number - 1] }

  /// The first address above those that the last entry spans; zero at the top of all addresses.
  package var end: VirtualAddress {
    address.alignedDown(to: lowestLevel.span).advanced(unchecked: lowestLevel.span)
  }

  /// The physical address and the property that the entries translate the address to; nil if it is
  /// not canonical or nothing is mapped.
  package var translation: (address: PhysicalAddress, property: PageProperty)? {
    guard address.isCanonical, last.isPresent, !last.leadsToTable(at: lowestLevel),
      let size = lowestLevel.pageSize
    else { return nil }
    let byte = last.leafAddress(size: size).rawValue | address.offset(in: size)
    return (PhysicalAddress(unchecked: byte), last.property(size: size))
  }
}
