import TesseraHardware
import TesseraPageTables

extension PageTableNode {
  /// The node of `level` for `address` in the tree under this root; nil if there is none.
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

  /// A number that changes if any word or count of the lower half of the tree under this root does,
  /// but for accessed bits. Tells also if a node is another one.
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
