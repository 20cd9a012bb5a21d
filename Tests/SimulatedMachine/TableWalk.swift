/// A table at its place in an address space, and the rights that the entries above it grant: what a
/// paging-structure cache holds (Intel SDM Vol. 3A, "Paging-Structure Caches").
struct TablePosition: Equatable {
  /// The first virtual address that the table translates.
  var start: UInt64
  /// The table's level.
  var level: Int
  /// What all entries on the way here grant.
  var rights: PageRights

  /// The root of the address space.
  static func root(_ registers: PagingRegisters) -> TablePosition {
    TablePosition(start: 0, level: registers.levelCount, rights: .all)
  }
}

/// Where an entry leads.
enum WalkStep {
  case absent
  /// A bit that must be zero is set.
  case reserved
  case table(address: UInt64, TablePosition)
  case page(SimulatedTranslation)
}

extension PagingRegisters {
  /// Where the entry `word` leads, which is at `index` of the table at `position`.
  @inline(__always)
  func step(_ word: UInt64, index: Int, of position: TablePosition) -> WalkStep {
    let entry = RawEntry(word: word)
    guard entry.isPresent else { return .absent }
    let level = position.level
    guard !entry.hasReservedBit(level: level, self) else { return .reserved }
    let rights = position.rights.intersection(entry.rights)
    let distance = UInt64(index) &* RawEntry.byteCount(level: level)
    // From the middle of the root on, addresses are in the upper half.
    let address =
      level == levelCount ? signExtended(position.start &+ distance) : position.start &+ distance
    guard entry.isPage(level: level) else {
      let position = TablePosition(start: address, level: level - 1, rights: rights)
      return .table(address: entry.tableAddress, position)
    }
    return .page(
      SimulatedTranslation(
        virtualAddress: address, physicalAddress: entry.pageAddress(level: level), level: level,
        rights: rights, memoryTypeIndex: entry.memoryTypeIndex(level: level),
        isGlobal: entry.isGlobal && hasGlobalPages, isAccessed: entry.isAccessed,
        isDirty: entry.isDirty))
  }
}

/// What a walk from the root found.
enum WalkResult {
  /// Nothing, or an entry with a reserved bit, at a level.
  case absent
  case reserved
  /// A table is named that lies outside memory.
  case outside(tableAddress: UInt64)
  case page(SimulatedTranslation, entryAddress: UInt64, word: UInt64)
}

/// A walk through the tables as they are in memory.
struct TableWalk {
  let memory: SimulatedMemory
  let registers: PagingRegisters

  /// Translates `address`, which is canonical. `visit` sees each entry that names a table.
  @inline(__always)
  func translate(
    _ address: UInt64, visit: (_ entryAddress: UInt64, _ word: UInt64) -> Void = { _, _ in }
  ) -> WalkResult {
    var table = registers.root
    var position = TablePosition.root(registers)
    while true {
      guard memory.contains(table) else { return .outside(tableAddress: table) }
      let index = RawEntry.index(of: address, level: position.level)
      let entryAddress = table + UInt64(index) * 8
      let word = memory.load(entryAddress)
      switch registers.step(word, index: index, of: position) {
      case .absent: return .absent
      case .reserved: return .reserved
      case .page(let page): return .page(page, entryAddress: entryAddress, word: word)
      case .table(let address, let next):
        visit(entryAddress, word)
        table = address
        position = next
      }
    }
  }

  /// The table of `level` that translates `address`, with what the walk gathered, or nil.
  func table(at address: UInt64, level: Int) -> (address: UInt64, position: TablePosition)? {
    var table = registers.root
    var position = TablePosition.root(registers)
    while position.level > level {
      guard memory.contains(table) else { return nil }
      let index = RawEntry.index(of: address, level: position.level)
      let word = memory.load(table + UInt64(index) * 8)
      guard case .table(let next, let below) = registers.step(word, index: index, of: position)
      else { return nil }
      table = next
      position = below
    }
    return (table, position)
  }
}
