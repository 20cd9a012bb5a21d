internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  /// Injects `injectedFault` once, if there is something to do it to, and compares.
  ///
  /// What would make Tessera itself trap is undone before the run goes on.
  mutating func perform(_ injectedFault: InjectedFrameFault) {
    switch injectedFault {
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
      // Every other operation may come first that undoes the order.
      walkList(place)
    case .changedWord:
      guard let place = pick({ $0.isWritable }) else { return }
      model.records[model.entries[place].start].word ^= 1
    case .wrongKind:
      guard let index = pickFree() else { return }
      spoil(model.slot(index), with: injectedFault)
    default:
      guard let place = pick({ $0.isFrame || $0.isSegment }),
        model.records[model.entries[place].start].isManaged
      else { return }
      spoil(model.slot(model.entries[place].start), with: injectedFault)
    }
    outcome.faultStep = outcome.stepCount
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
  private mutating func spoil(_ slot: FrameSlotReference, with injectedFault: InjectedFrameFault) {
    let count = slot.count
    let kind = slot.kind
    let isMemory = kind.isUntyped
    switch injectedFault {
    case .extraOwner: slot.setCount(count + 1)
    case .lostOwner: slot.setCount(count - 1)
    case .freedInUse: slot.setCount(ReferenceCount.free)
    case .wrongKind: slot.setKind(kind.isCached ? .plain : .cached)
    case .changedMetadata: flipMetadata(slot)
    case .changedType:
      slot.setKind(isMemory ? .of(TracedObject.self).allocated : .of(TracedMemory.self).allocated)
    case .forgottenOrigin: slot.setKind(isMemory ? .of(TracedMemory.self) : .of(TracedObject.self))
    default: slot.setListIdentifier(.max >> 1)
    }
    compare()
    slot.setCount(count)
    slot.setKind(kind)
    slot.setListIdentifier(0)
    if injectedFault == .changedMetadata { flipMetadata(slot) }
  }

  /// Changes a bit of the metadata, or changes it back.
  private func flipMetadata(_ slot: FrameSlotReference) {
    // SAFETY: the frame is in use, with one word of metadata, and no other code reads it meanwhile.
    unsafe slot.storage(as: UInt64.self).pointee ^= 1
  }
}
