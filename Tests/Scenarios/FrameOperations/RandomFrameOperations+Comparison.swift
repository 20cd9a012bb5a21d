internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  /// Compares every frame of the run with the model, and the sums; now and then checks all rules.
  mutating func compare() {
    compareFrames()
    compareSums()
    guard outcome.stepCount % options.fullCheckInterval == 0 else { return }
    var problem: StaticString?
    FrameTable.checkInvariants { message, _ in problem = message }
    FrameAllocator.checkInvariants { problem = $0 }
    if let problem { differ(problem) }
  }

  private mutating func compareSums() {
    let used = FrameAllocator.statistics.usedFrameCount &- usedBefore
    expect(used == model.countUsed(), "the allocator counts the frames that are out")
    outcome.mostUsed = max(outcome.mostUsed, used)
    expect(
      DropStatistics.callCount &- dropCountBefore == model.dropCount,
      "metadata is told once for each frame that is dropped")
    expect(
      DropStatistics.checksum &- dropChecksumBefore == model.dropSum,
      "metadata is told the frame, the value and the bytes that were there")
  }

  private mutating func compareFrames() {
    var uses = [192 of FrameModel.Use](repeating: FrameModel.Use())
    for place in 0..<FrameModel.mostEntries where model.entries[place].kind != .none {
      let kind = model.entries[place].kind
      for position in 0..<model.entries[place].count {
        let index = model.entries[place].frame(position)
        uses[index].owners += 1
        if kind.isUnique { uses[index].isUnique = true }
        if kind == .raw { uses[index].isRaw = true }
        if kind == .list { uses[index].isListed = true }
      }
    }
    for index in 0..<model.frameCount { compare(index, uses[index]) }
  }

  private mutating func compare(_ index: Int, _ use: FrameModel.Use) {
    let slot = model.slot(index)
    switch model.records[index].state {
    case .foreign: return
    case .free:
      expect(use.owners == 0, "a free frame has no owner in the model")
      expect(slot.count == ReferenceCount.free, "a frame without owners is free")
      expect(slot.kind.usage == .unused, "a free frame has no usage")
    case .reserved:
      expect(slot.count == ReferenceCount.unused, "a reserved frame is unowned")
      expect(slot.kind == .none, "a reserved frame is of no kind")
    case .held where use.isRaw:
      expect(use.owners == 1, "a bare frame has one holder")
      expect(slot.count == ReferenceCount.unused, "a bare frame has no counted owner")
      expect(slot.kind == .plain, "a bare frame goes back to the allocator")
    case .held: compareHeld(slot, model.records[index], use)
    }
    let isListed = slot.isLinked
    expect(isListed == use.isListed, "a frame is in a list exactly if it was put there")
  }

  private mutating func compareHeld(
    _ slot: FrameSlotReference, _ record: FrameModel.Record, _ use: FrameModel.Use
  ) {
    let count = use.isUnique ? ReferenceCount.unique : use.owners
    expect(slot.count == count, "a frame's count is the number of its owners")
    expect(!use.isUnique || use.owners == 1, "a unique frame has one owner")
    let kind = slot.kind
    let expected =
      record.isMemory ? FrameKind.of(TracedMemory.self) : FrameKind.of(TracedObject.self)
    expect(
      kind == (record.isManaged ? expected.allocated : expected), "a frame is of the kind it got")
    // SAFETY: the frame is in use, and what it holds was just found to be one word of metadata.
    let value = unsafe slot.storage(as: UInt64.self).pointee
    expect(value == record.value, "a frame has the metadata it got")
  }
}
