internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension SpaceWalk {
  /// Does what `sabotage` says once, if there is something to do it to.
  mutating func perform(_ sabotage: SpaceWalkSabotage) {
    switch sabotage {
    case .unannouncedFailure: outcome.sabotagedStep = outcome.stepCount
    case .leakedFrame:
      guard let address = try? FrameAllocator.allocate() else { return }
      outcome.sabotagedStep = outcome.stepCount
      checkAgain()
      FrameAllocator.free(address)
    case .strayOwner: addStrayOwner()
    default: spoilTable(sabotage)
    }
  }

  private mutating func checkAgain() {
    for number in 0..<Self.spaceCount where isThere[number] {
      check(number, 0..<world(number).cellCount)
    }
    let tables = FrameTable.census.count(of: .pageTable) - tablesBefore
    let used = FrameAllocator.statistics.usedFrameCount - usedBefore
    expect(
      used == tables + book.usedCount + checkBlocks(),
      "every frame that is out is mapped, held or a table")
  }

  private mutating func addStrayOwner() {
    for place in 0..<FrameBook.size where book.entry(place).mappingCount > 0 {
      outcome.sabotagedStep = outcome.stepCount
      let slot = FrameTable.slot(number: book.entry(place).address.frameNumber)
      slot.share()
      checkAgain()
      _ = slot.drop()
      return
    }
  }

  /// Spoils a node of leaves, looks, and puts it right again.
  private mutating func spoilTable(_ sabotage: SpaceWalkSabotage) {
    for number in 0..<Self.spaceCount where isThere[number] {
      guard let index = firstMapped(in: number, 0..<world(number).cellCount) else {
        continue
      }
      let page = wanted(index, of: number)
      guard page.kind == .frame, page.property.access != .none else { continue }
      let address = VirtualAddress(world(number).start(index))
      guard let node = leafTable(of: number, address) else { continue }
      outcome.sabotagedStep = outcome.stepCount
      spoil(node, address.index(at: .leafTable), sabotage)
      return
    }
  }

  private mutating func spoil(
    _ node: PageTableNode, _ index: Int, _ sabotage: SpaceWalkSabotage
  ) {
    let entry = node[index]
    switch sabotage {
    case .changedRights:
      node.assumingLocked().store(
        PageTableEntry(rawValue: entry.rawValue ^ PageTableEntry.writable), at: index)
    case .changedTarget:
      node.assumingLocked().store(PageTableEntry(rawValue: entry.rawValue ^ 4096), at: index)
    case .wrongCount: node.assumingLocked().presentCount += 1
    default: node.acquireLock()
    }
    checkAgain()
    switch sabotage {
    case .changedRights, .changedTarget: node.assumingLocked().store(entry, at: index)
    case .wrongCount: node.assumingLocked().presentCount -= 1
    default: node.releaseLock()
    }
  }

  /// The leaf table for `address`, by a walk from the root.
  private func leafTable(of number: Int, _ address: VirtualAddress) -> PageTableNode? {
    let root: PhysicalAddress
    switch spaces[number] {
    case .some(let held): root = held.space.rootAddress
    case .none: return nil
    }
    // SAFETY: the space is there, and so is its root.
    var node = unsafe PageTableNode(at: root)
    var level = PagingMode.current.rootLevel
    while level > .leafTable {
      let entry = node[address.index(at: level)]
      guard entry.isTable else { return nil }
      // SAFETY: nothing else happens meanwhile.
      node = unsafe PageTableNode(at: entry.tableAddress)
      level = level.below
    }
    return node
  }
}
