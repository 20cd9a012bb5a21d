import TesseraHardware
import TesseraPageTables

extension PageTableNode {
  /// Returns the node at `level` for `address` under this root, or nil if there is none.
  package func node(for address: UInt64, at level: Int) -> PageTableNode? {
    var node = self
    var current = PagingMode.current.rootLevel
    while current.number > level {
      let entry = node[VirtualAddress(address).index(at: current)]
      guard entry.isTable else { return nil }
      node = unsafe PageTableNode(at: entry.tableAddress)
      current = current.below
    }
    return node
  }

  /// Returns a hash of the lower half of the tree under this root: the addresses and counts of its
  /// nodes and all their words, without the accessed bits.
  package func hash(level: PagingLevel = PagingMode.current.rootLevel) -> UInt64 {
    var hash = address.rawValue &* 31 &+ UInt64(presentCount)
    for index in 0..<(level == PagingMode.current.rootLevel ? 256 : 512) {
      let entry = self[index]
      if entry.isAbsent { continue }
      hash = (hash ^ entry.rawValue & ~PageTableEntry.accessed &+ UInt64(index)) &* 0x100_0000_01b3
      guard entry.isTable else { continue }
      hash ^= unsafe PageTableNode(at: entry.tableAddress).hash(level: level.below) &* 17
    }
    return hash
  }
}
