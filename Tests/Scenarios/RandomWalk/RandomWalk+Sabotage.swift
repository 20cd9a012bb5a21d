internal import TesseraFrames
internal import TesseraHardware

extension RandomWalk {
  /// Does what `sabotage` says once, if there is something to do it to, and compares.
  ///
  /// What would make Tessera itself trap is undone before the walk goes on.
  mutating func perform(_ sabotage: WalkSabotage) {
    switch sabotage {
    case .unannouncedFailure: break
    case .lostDrop: model.dropCount += 1
    case .leakedFrame:
      guard let address = try? FrameAllocator.allocate() else { return }
      compare()
      FrameAllocator.free(address)
    case .disorderedList:
      guard let place = pickLong({ $0 == .list }) else { return }
      let first = model.entries[place].members[0]
      model.entries[place].members[0] = model.entries[place].members[1]
      model.entries[place].members[1] = first
    case .changedWord:
      guard let place = pick({ $0.isWritable }) else { return }
      model.records[model.entries[place].start].word ^= 1
    case .wrongMark:
      guard let index = pickFree() else { return }
      spoil(model.slot(index), with: sabotage)
    default:
      guard let place = pick({ $0.isFrame || $0.isSegment }),
        model.records[model.entries[place].start].isManaged
      else { return }
      spoil(model.slot(model.entries[place].start), with: sabotage)
    }
    outcome.sabotagedStep = outcome.stepCount
  }

  private mutating func pickFree() -> Int? {
    let start = generator.below(model.frameCount)
    for offset in 0..<model.frameCount {
      let index = (start + offset) % model.frameCount
      if model.records[index].state == .free { return index }
    }
    return nil
  }

  /// Changes `slot`, compares, and makes it what it was.
  private mutating func spoil(_ slot: FrameSlotReference, with sabotage: WalkSabotage) {
    let count = slot.count
    let kind = slot.kind
    let isMemory = kind.isUntyped
    switch sabotage {
    case .strayOwner: slot.setCount(count + 1)
    case .lostOwner: slot.setCount(count - 1)
    case .freedInUse: slot.setCount(ReferenceCount.free)
    case .wrongMark: slot.setKind(kind.isCached ? .plain : .cached)
    case .changedMetadata: flipMetadata(slot)
    case .changedType:
      slot.setKind(isMemory ? .of(Tally.self).allocated : .of(TallyMemory.self).allocated)
    case .forgottenOrigin: slot.setKind(isMemory ? .of(TallyMemory.self) : .of(Tally.self))
    default: slot.setListIdentifier(.max >> 1)
    }
    compare()
    slot.setCount(count)
    slot.setKind(kind)
    slot.setListIdentifier(0)
    if sabotage == .changedMetadata { flipMetadata(slot) }
  }

  /// Changes a bit of the metadata, or changes it back.
  private func flipMetadata(_ slot: FrameSlotReference) {
    // SAFETY: the frame is in use, with one word of metadata, and nobody else looks meanwhile.
    unsafe slot.storage(as: UInt64.self).pointee ^= 1
  }
}
