internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension RandomSpaceOperations {
  /// Does what `injectedFault` says once, if there is something to do it to.
  mutating func perform(_ injectedFault: InjectedSpaceFault) {
    switch injectedFault {
    case .unannouncedFailure: outcome.faultStep = outcome.stepCount
    case .leakedFrame:
      guard let address = try? FrameAllocator.allocate() else { return }
      outcome.faultStep = outcome.stepCount
      checkAgain()
      FrameAllocator.free(address)
    case .extraOwner: addExtraOwner()
    default: spoilTable(injectedFault)
    }
  }

  private mutating func checkAgain() {
    for number in 0..<Self.spaceCount where isThere[number] {
      check(number, 0..<world(number).cellCount)
    }
    let tables = FrameTable.census.count(of: .pageTable) - tablesBefore
    let used = FrameAllocator.statistics.usedFrameCount - usedBefore
    expect(
      used == tables + accounting.usedCount + checkBlocks(),
      "every frame that is out is mapped, held or a table")
  }

  private mutating func addExtraOwner() {
    for place in 0..<FrameAccounting.size where accounting.entry(place).mappingCount > 0 {
      outcome.faultStep = outcome.stepCount
      let slot = FrameTable.slot(number: accounting.entry(place).address.frameNumber)
      slot.share()
      checkAgain()
      _ = slot.drop()
      return
    }
  }

  /// Spoils a node of leaves, looks, and puts it right again.
  private mutating func spoilTable(_ injectedFault: InjectedSpaceFault) {
    for number in 0..<Self.spaceCount where isThere[number] {
      guard let index = firstMapped(in: number, 0..<world(number).cellCount) else {
        continue
      }
      let page = modelPage(index, of: number)
      guard page.kind == .frame, page.property.access != .none else { continue }
      let address = VirtualAddress(world(number).start(index))
      guard let node = leafTable(of: number, address) else { continue }
      outcome.faultStep = outcome.stepCount
      spoil(node, address.index(at: .leafTable), injectedFault)
      return
    }
  }

  private mutating func spoil(
    _ node: PageTableNode, _ index: Int, _ injectedFault: InjectedSpaceFault
  ) {
    let entry = node[index]
    switch injectedFault {
    case .changedRights:
      node.assumingLocked().store(
        PageTableEntry(rawValue: entry.rawValue ^ PageTableEntry.writable), at: index)
    case .changedTarget:
      node.assumingLocked().store(PageTableEntry(rawValue: entry.rawValue ^ 4096), at: index)
    case .wrongCount: node.assumingLocked().presentCount += 1
    default: node.acquireLock()
    }
    checkAgain()
    switch injectedFault {
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
