internal import TesseraFrames
package import TesseraHardware

/// The chain of entries that a processor follows for one address, as it was at some moment.
///
/// Takes no lock, and can be asked about any address and any tables: also about those that a loader
/// made, whose leaves have no mark. Stops in front of a table that lies where no memory is.
package struct TranslationTrace {
  package let address: VirtualAddress
  /// The level of the root.
  package let highestLevel: PagingLevel
  /// The level of the last entry, which leads to no table that could be read.
  package private(set) var lowestLevel: PagingLevel
  private var entries = [5 of PageTableEntry](repeating: .absent)

  /// Walks the tables under `root`, which the caller keeps.
  package init(of address: VirtualAddress, from root: PageTableNode) {
    self.address = address
    highestLevel = PagingMode.current.rootLevel
    lowestLevel = highestLevel
    Epoch.enter()
    defer { Epoch.leave() }
    var node = root
    while true {
      let entry = node[address.index(at: lowestLevel)]
      entries[lowestLevel.number - 1] = entry
      guard entry.leadsToTable(at: lowestLevel), entry.tableAddress < FrameTable.end else { return }
      // SAFETY: a node that an entry led to inside the epoch stays until its end, and a loader's
      // table is there for good.
      node = unsafe PageTableNode(at: entry.tableAddress)
      lowestLevel = lowestLevel.below
    }
  }

  /// The entry of `level`, from the highest down to the lowest.
  package subscript(level: PagingLevel) -> PageTableEntry { entries[level.number - 1] }

  /// The entry at which the walk ended.
  package var last: PageTableEntry { entries[lowestLevel.number - 1] }

  /// The first address that the last entry does not speak for; zero at the top of all addresses.
  package var end: VirtualAddress {
    let span = lowestLevel.span
    return VirtualAddress((address.rawValue & ~(span &- 1)) &+ span)
  }
}
