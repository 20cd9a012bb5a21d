/// The position of a table in an address space, and the rights that the entries above it grant, as
/// in a paging-structure cache (Intel SDM Vol. 3A, "Paging-Structure Caches").
struct TablePosition: Equatable {
  /// The first virtual address that the table translates.
  var start: UInt64
  /// The table's level.
  var level: Int
  /// The rights that all entries from the root to the table grant.
  var rights: PageRights

  /// Returns the position of the root of an address space.
  static func root(_ registers: PagingRegisters) -> TablePosition {
    TablePosition(start: 0, level: registers.levelCount, rights: .all)
  }
}

/// The result of decoding an entry.
enum WalkStep {
  case absent
  /// A reserved bit is set.
  case reserved
  case table(address: UInt64, TablePosition)
  case page(SimulatedTranslation)
}

extension PagingRegisters {
  /// Decodes the entry `word` at `index` of the table at `position`.
  @inline(__always)
  func step(_ word: UInt64, index: Int, of position: TablePosition) -> WalkStep {
    let entry = RawEntry(word: word)
    guard entry.isPresent else { return .absent }
    let level = position.level
    guard !entry.hasReservedBit(level: level, self) else { return .reserved }
    let rights = position.rights.intersection(entry.rights)
    let distance = UInt64(index) &* RawEntry.byteCount(level: level)
    // The upper half of the root translates the upper half of the address space.
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

/// The result of a walk from the root.
enum WalkResult {
  /// An entry that is not present.
  case absent
  /// An entry with a reserved bit.
  case reserved
  /// An entry that leads to a table outside memory.
  case outside(tableAddress: UInt64)
  case page(SimulatedTranslation, entryAddress: UInt64, word: UInt64)
}

/// A walk through the tables in memory.
struct TableWalk {
  let memory: SimulatedMemory
  let registers: PagingRegisters

  /// Translates the canonical `address`. Calls `visit` with each entry that leads to a table.
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

  /// Returns the table at `level` that translates `address`, and its position, or nil if there is
  /// none.
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
