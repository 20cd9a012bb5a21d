internal import TesseraHardware
internal import TesseraPageTables

/// The check of the page tables that stay in use, before anything is changed.
struct TableSurvey<Source: MemoryRegionSource> {
  private var tables: RunningTables
  private var memory: MemoryInUse<Source>
  private let requirements: Requirements
  /// The tables from the root to the one that is visited, by the number of their level.
  private var path = [6 of PhysicalAddress](repeating: .limit)

  struct Requirements {
    /// Tables at or above this address have no slots, and are left as they are.
    let end: PhysicalAddress
    /// Whether no table may lie in usable memory: an allocator of the kernel's own may have
    /// allocated them.
    let reservesTables: Bool
    /// Where the tables have to be mapped, writable; nil if Tessera builds the direct map, which
    /// maps all memory.
    let kept: KeptAddresses?
  }

  init(
    _ tables: RunningTables, on map: MemoryMap<Source>, _ requirements: Requirements
  ) {
    self.tables = tables
    self.requirements = requirements
    memory = MemoryInUse(tables, on: map)
  }

  /// Throws `inUsableMemory`, `pageTableNotMapped` or `pageTableAtTwoLevels` for the root itself
  /// and the tables below its entries at `indices`.
  mutating func check(_ indices: Range<Int>) throws(BootError) {
    let level = PagingMode.current.rootLevel
    path[level.number] = tables.root
    do throws(BootError) {
      try checkPlace(of: tables.root)
      try visit(tables.root, level, indices)
    } catch {
      // Below a table that is also one of a higher level, pages are taken for tables.
      guard let table = tableAtTwoLevels(indices) else { throw error }
      throw .pageTableAtTwoLevels(table)
    }
  }

  private mutating func visit(
    _ table: PhysicalAddress, _ level: PagingLevel, _ indices: Range<Int>
  ) throws(BootError) {
    for index in indices {
      guard let child = child(at: index, of: table, level) else { continue }
      path[level.number - 1] = child
      for above in level.number...PagingMode.current.rootLevel.number where path[above] == child {
        throw .pageTableAtTwoLevels(child)
      }
      try checkPlace(of: child)
      if level.below > .leafTable { try visit(child, level.below, 0..<512) }
    }
  }

  /// The table that the entry at `index` of `table` leads to, if it has a slot.
  private mutating func child(
    at index: Int, of table: PhysicalAddress, _ level: PagingLevel
  ) -> PhysicalAddress? {
    guard let entry = tables.entry(at: index, of: table, level), entry.leadsToTable(at: level),
      entry.tableAddress < requirements.end
    else { return nil }
    return entry.tableAddress
  }

  private mutating func checkPlace(of table: PhysicalAddress) throws(BootError) {
    let end = table + PageSize.fourKiB.byteCount
    if let kept = requirements.kept {
      let place = MemoryRegion(start: table, end: end, kind: .usable)
      guard tables.map(place, at: kept) else { throw .pageTableNotMapped(table) }
    } else {
      // Read through the loader's mapping now, and through the new direct map afterwards.
      let place = MemoryRegion(start: table, end: end, kind: .kernelImage)
      guard memory.kind(at: table)?.isMemory == true, tables.map(place, at: .all) else {
        throw .pageTableNotMapped(table)
      }
    }
    if requirements.reservesTables { try memory.check(.pageTable, at: table) }
  }
}

extension TableSurvey {
  /// The first table of the path that is reachable at another level, too.
  private mutating func tableAtTwoLevels(_ indices: Range<Int>) -> PhysicalAddress? {
    let root = PagingMode.current.rootLevel
    for number in 1...root.number where path[number] != .limit {
      let isElsewhere = reaches(
        path[number], notAt: number, from: tables.root, root, indices)
      if isElsewhere { return path[number] }
    }
    return nil
  }

  /// Whether `target` is reachable from `table` at another level than `number`.
  private mutating func reaches(
    _ target: PhysicalAddress, notAt number: Int, from table: PhysicalAddress,
    _ level: PagingLevel, _ indices: Range<Int>
  ) -> Bool {
    for index in indices {
      guard let child = child(at: index, of: table, level) else { continue }
      if child == target && level.number - 1 != number { return true }
      if level.below > .leafTable,
        reaches(target, notAt: number, from: child, level.below, 0..<512)
      {
        return true
      }
    }
    return false
  }
}
