internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  mutating func drop() {
    guard let place = pick({ _ in true }) else { return }
    drop(place)
  }

  /// Drops what is at `place`, in reality and in the model.
  private mutating func drop(_ place: Int) {
    let entry = model.entries[place]
    let address = model.address(entry.start)
    switch take(place) {
    case .address:
      switch entry.kind {
      case .raw: FrameAllocator.free(address, entry.count)
      case .relinquished:
        // SAFETY: the entry stands for a count that was relinquished, and ends here.
        _ = unsafe AnyFrame(adopting: address)
      default: adoptUnique(address, isMemory: model.records[entry.start].isMemory)
      }
    case let handle: _ = consume handle
    }
    model.remove(place)
  }

  /// Adopts and drops a unique count that was relinquished.
  private func adoptUnique(_ address: PhysicalAddress, isMemory: Bool) {
    // SAFETY: the entry stands for a unique count that was relinquished, and ends here.
    switch isMemory {
    case true: _ = unsafe UniqueFrame<TracedMemory>(adopting: address)
    case false: _ = unsafe UniqueFrame<TracedObject>(adopting: address)
    }
  }

  /// Ends the run: everything goes back.
  mutating func dropEverything() {
    for place in 0..<FrameModel.mostEntries where model.entries[place].kind != .none { drop(place) }
  }

  mutating func share() {
    guard let other = freePlace(), let place = pick({ $0.isFrame || $0.isSegment }) else { return }
    let entry = model.entries[place]
    if entry.kind.isSegment { return slice(place, other, from: 0, to: entry.count) }
    switch take(place) {
    case .frame(let frame):
      put(.frame(frame.share()), .frame, at: other, start: entry.start)
      putBack(.frame(frame), .frame, at: place)
    case .memory(let frame):
      put(.memory(frame.share()), .memory, at: other, start: entry.start)
      putBack(.memory(frame), .memory, at: place)
    case .any(let frame):
      put(.any(frame.share()), .any, at: other, start: entry.start)
      putBack(.any(frame), .any, at: place)
    case .untyped(let frame):
      put(.untyped(frame.share()), .untyped, at: other, start: entry.start)
      putBack(.untyped(frame), .untyped, at: place)
    case let handle: putBack(handle, entry.kind, at: place)
    }
  }

  /// Puts a slice of the segment at `place`, from frame `low` up to `high`, at `other`.
  mutating func slice(_ place: Int, _ other: Int, from low: Int, to high: Int) {
    let entry = model.entries[place]
    let range = UInt64(low) * 4096..<UInt64(high) * 4096
    let start = entry.start + low
    let count = high - low
    switch take(place) {
    case .segment(let segment):
      put(.segment(segment.slice(range)), .segment, at: other, start: start, count: count)
      putBack(.segment(segment), .segment, at: place)
    case .memorySegment(let segment):
      let slice = segment.slice(range)
      put(.memorySegment(slice), .memorySegment, at: other, start: start, count: count)
      putBack(.memorySegment(segment), .memorySegment, at: place)
    case .anySegment(let segment):
      put(.anySegment(segment.slice(range)), .anySegment, at: other, start: start, count: count)
      putBack(.anySegment(segment), .anySegment, at: place)
    case .untypedSegment(let segment):
      let slice = segment.slice(range)
      put(.untypedSegment(slice), .untypedSegment, at: other, start: start, count: count)
      putBack(.untypedSegment(segment), .untypedSegment, at: place)
    case let handle: putBack(handle, entry.kind, at: place)
    }
  }

  mutating func makeUnique() {
    guard let place = pick({ $0 == .frame || $0 == .memory }) else { return }
    let isOnly = model.use(of: model.entries[place].start).owners == 1
    switch take(place) {
    case .frame(let frame):
      switch frame.unique() {
      case .converted(let unique):
        expect(isOnly, "only the only owner becomes the unique one")
        putBack(.unique(unique), .unique, at: place)
      case .unchanged(let frame):
        expect(!isOnly, "the only owner becomes the unique one")
        putBack(.frame(frame), .frame, at: place)
      }
    case .memory(let frame):
      switch frame.unique() {
      case .converted(let unique):
        expect(isOnly, "only the only owner becomes the unique one")
        putBack(.uniqueMemory(unique), .uniqueMemory, at: place)
      case .unchanged(let frame):
        expect(!isOnly, "the only owner becomes the unique one")
        putBack(.memory(frame), .memory, at: place)
      }
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
  }

  mutating func makeShared() {
    guard let place = pick({ $0 == .unique || $0 == .uniqueMemory }) else { return }
    switch take(place) {
    case .unique(let frame): putBack(.frame(frame.shared()), .frame, at: place)
    case .uniqueMemory(let frame): putBack(.memory(frame.shared()), .memory, at: place)
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
  }

  mutating func repurpose() {
    guard let place = pick({ $0 == .unique || $0 == .uniqueMemory }) else { return }
    let index = model.entries[place].start
    let value = generator.next()
    model.noteDrop(of: index)
    switch take(place) {
    case .unique(let frame):
      let memory = frame.repurposed(as: TracedMemory(value))
      model.hold(index, isMemory: true, value: value, word: value &+ 1)
      memory.setWord(value &+ 1, at: 0)
      putBack(.uniqueMemory(memory), .uniqueMemory, at: place)
    case .uniqueMemory(let frame):
      expect(frame.word(at: 0) == model.records[index].word, "memory keeps what was written")
      let object = frame.repurposed(as: TracedObject(value))
      model.hold(index, value: value)
      putBack(.unique(object), .unique, at: place)
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
  }

  mutating func changeMetadata() {
    guard let place = pick({ $0 == .unique || $0 == .uniqueMemory }) else { return }
    let index = model.entries[place].start
    let value = generator.next()
    let old = model.records[index].value
    switch take(place) {
    case .unique(var frame):
      expect(frame.metadata.value == old, "metadata stays what it was")
      frame.metadata.value = value
      putBack(.unique(frame), .unique, at: place)
    case .uniqueMemory(var frame):
      expect(frame.metadata.value == old, "metadata stays what it was")
      frame.metadata.value = value
      putBack(.uniqueMemory(frame), .uniqueMemory, at: place)
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
    model.records[index].value = value
  }

  mutating func borrow() {
    guard let place = pick({ $0 == .frame || $0 == .memory }), let other = freePlace() else {
      return
    }
    let index = model.entries[place].start
    switch take(place) {
    case .frame(let frame):
      expect(Self.value(of: frame) == model.records[index].value, "a borrower sees the metadata")
      put(.frame(Self.shareBorrowed(frame)), .frame, at: other, start: index)
      putBack(.frame(frame), .frame, at: place)
    case .memory(let frame):
      put(.memory(Self.shareBorrowed(frame)), .memory, at: other, start: index)
      putBack(.memory(frame), .memory, at: place)
    case let handle: putBack(handle, model.entries[place].kind, at: place)
    }
  }

  private static func value(of frame: borrowing Frame<TracedObject>) -> UInt64 {
    frame.borrow().metadata.value
  }

  private static func shareBorrowed<Metadata: ~Copyable>(
    _ frame: borrowing Frame<Metadata>
  ) -> Frame<Metadata> {
    frame.borrow().share()
  }

  mutating func drainCache() {
    isEffective = true
    FrameAllocator.drainCache()
  }

  /// Frees a frame and allocates one: on one processor, that is the same frame, unless frames are
  /// short.
  mutating func reallocate() {
    guard !isFailureArmed, let place = pick({ $0 == .frame || $0 == .unique }) else { return }
    let index = model.entries[place].start
    guard model.records[index].isManaged, model.use(of: index).owners == 1 else { return }
    let isShort = FrameAllocator.areFramesShort
    drop(place)
    let value = generator.next()
    guard let frame = try? Frame(allocating: TracedObject(value)) else {
      return differ("memory that was just freed can be allocated")
    }
    if !isShort {
      expect(frame.address == model.address(index), "the frame freed last is allocated first")
    }
    guard let got = model.index(of: frame.address), model.records[got].state == .free else {
      return differ("an allocation gives a frame that is free")
    }
    model.hold(got, value: value)
    put(.frame(frame), .frame, at: place, start: got)
  }
}
