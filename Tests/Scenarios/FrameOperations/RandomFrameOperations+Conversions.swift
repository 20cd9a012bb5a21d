internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  mutating func convert() {
    let isConvertible = { (kind: HandleKind) in
      (kind.isFrame || kind.isSegment) && kind != .untypedSegment
    }
    guard let place = pick(isConvertible) else { return }
    let isMemory = model.records[model.entries[place].start].isMemory
    let choice = generator.below(3)
    switch take(place) {
    case .frame(let frame): putBack(.any(frame.erased()), .any, at: place)
    case .memory(let frame) where choice == 0: putBack(.any(frame.erased()), .any, at: place)
    case .memory(let frame): putBack(.untyped(frame.untyped()), .untyped, at: place)
    case .untyped(let frame) where choice == 0: putBack(.any(frame.erased()), .any, at: place)
    case .untyped(let frame): convert(untyped: frame, place, toPlain: choice == 1)
    case .any(let frame) where choice == 0: convert(toTally: frame, place, isMemory)
    case .any(let frame) where choice == 1: convert(toMemory: frame, place, isMemory)
    case .any(let frame): convert(toUntyped: frame, place, isMemory)
    case .segment(let segment): putBack(.anySegment(segment.erased()), .anySegment, at: place)
    case .memorySegment(let segment) where choice == 0:
      putBack(.untypedSegment(segment.untyped()), .untypedSegment, at: place)
    case .memorySegment(let segment):
      putBack(.anySegment(segment.erased()), .anySegment, at: place)
    case .anySegment(let segment): convert(segment, place, isMemory, toTally: choice == 0)
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
  }

  private mutating func convert(toTally frame: consuming AnyFrame, _ place: Int, _ isMemory: Bool) {
    switch frame.typed(as: TracedObject.self) {
    case .converted(let frame):
      expect(!isMemory, "a frame is converted only to its own kind")
      putBack(.frame(frame), .frame, at: place)
    case .unchanged(let frame):
      expect(isMemory, "a frame is converted to its own kind")
      putBack(.any(frame), .any, at: place)
    }
  }

  private mutating func convert(
    toMemory frame: consuming AnyFrame, _ place: Int, _ isMemory: Bool
  ) {
    switch frame.typed(as: TracedMemory.self) {
    case .converted(let frame):
      expect(isMemory, "a frame is converted only to its own kind")
      putBack(.memory(frame), .memory, at: place)
    case .unchanged(let frame):
      expect(!isMemory, "a frame is converted to its own kind")
      putBack(.any(frame), .any, at: place)
    }
  }

  private mutating func convert(
    toUntyped frame: consuming AnyFrame, _ place: Int, _ isMemory: Bool
  ) {
    switch frame.untyped() {
    case .converted(let frame):
      expect(isMemory, "only memory is untyped")
      putBack(.untyped(frame), .untyped, at: place)
    case .unchanged(let frame):
      expect(!isMemory, "memory is untyped")
      putBack(.any(frame), .any, at: place)
    }
  }

  private mutating func convert(
    untyped frame: consuming UntypedFrame, _ place: Int, toPlain: Bool
  ) {
    guard toPlain else {
      switch frame.typed(as: TracedMemory.self) {
      case .converted(let frame): putBack(.memory(frame), .memory, at: place)
      case .unchanged(let frame):
        differ("memory is converted back to its own kind")
        putBack(.untyped(frame), .untyped, at: place)
      }
      return
    }
    switch frame.typed(as: PlainMemory.self) {
    case .converted(let frame):
      differ("memory is converted only to its own kind")
      putBack(.untyped(frame.untyped()), .untyped, at: place)
    case .unchanged(let frame): putBack(.untyped(frame), .untyped, at: place)
    }
  }

  private mutating func convert(
    _ segment: consuming AnySegment, _ place: Int, _ isMemory: Bool, toTally: Bool
  ) {
    if toTally {
      switch segment.typed(as: TracedObject.self) {
      case .converted(let segment):
        expect(!isMemory, "a segment is converted only to its own kind")
        putBack(.segment(segment), .segment, at: place)
      case .unchanged(let segment):
        expect(isMemory, "a segment is converted to its own kind")
        putBack(.anySegment(segment), .anySegment, at: place)
      }
    } else {
      switch segment.typed(as: TracedMemory.self) {
      case .converted(let segment):
        expect(isMemory, "a segment is converted only to its own kind")
        putBack(.memorySegment(segment), .memorySegment, at: place)
      case .unchanged(let segment):
        expect(!isMemory, "a segment is converted to its own kind")
        putBack(.anySegment(segment), .anySegment, at: place)
      }
    }
  }
}

extension RandomFrameOperations {
  mutating func relinquish() {
    guard let place = pick({ $0.isFrame || $0 == .unique || $0 == .uniqueMemory }) else { return }
    let kind: HandleKind = model.entries[place].kind.isFrame ? .relinquished : .relinquishedUnique
    let address =
      switch take(place) {
      case .frame(let frame): frame.relinquish()
      case .memory(let frame): frame.relinquish()
      case .any(let frame): frame.relinquish()
      case .untyped(let frame): frame.relinquish()
      case .unique(let frame): frame.relinquish()
      case .uniqueMemory(let frame): frame.relinquish()
      default: FrameTable.end
      }
    expect(
      address == model.address(model.entries[place].start), "a handle gives up its own address")
    putBack(.address, kind, at: place)
  }

  mutating func adopt() {
    guard let place = pick({ $0 == .relinquished || $0 == .relinquishedUnique }) else { return }
    let entry = model.entries[place]
    let address = model.address(entry.start)
    // SAFETY: the entry stands for a count that was relinquished, which is adopted here alone, as a
    // handle of the kind that the model says.
    switch (entry.kind == .relinquished, model.records[entry.start].isMemory) {
    case (true, false):
      put(
        .frame(unsafe Frame<TracedObject>(adopting: address)), .frame, at: place, start: entry.start
      )
    case (true, true):
      let frame = unsafe Frame<TracedMemory>(adopting: address)
      put(.memory(frame), .memory, at: place, start: entry.start)
    case (false, false):
      let frame = unsafe UniqueFrame<TracedObject>(adopting: address)
      put(.unique(frame), .unique, at: place, start: entry.start)
    case (false, true):
      let frame = unsafe UniqueFrame<TracedMemory>(adopting: address)
      put(.uniqueMemory(frame), .uniqueMemory, at: place, start: entry.start)
    }
  }

  mutating func addCount() {
    guard let place = pick({ $0.isFrame || $0 == .relinquished }), let other = freePlace() else {
      return
    }
    let index = model.entries[place].start
    // SAFETY: the entry holds a count of that frame.
    unsafe FrameTable.share(at: model.address(index))
    put(.address, .relinquished, at: other, start: index)
  }
}
