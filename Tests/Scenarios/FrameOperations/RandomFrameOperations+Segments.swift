internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  mutating func split() {
    guard let place = pickLong({ $0.isSegment }), let other = freePlace() else { return }
    let entry = model.entries[place]
    let low = 1 + generator.below(entry.count - 1)
    let byteCount = UInt64(low) * 4096
    switch take(place) {
    case .segment(let segment):
      let parts = segment.split(atByte: byteCount)
      note(split: place, other, low)
      handles[place].put(.segment(parts.low))
      handles[other].put(.segment(parts.high))
    case .memorySegment(let segment):
      let parts = segment.split(atByte: byteCount)
      note(split: place, other, low)
      handles[place].put(.memorySegment(parts.low))
      handles[other].put(.memorySegment(parts.high))
    case .anySegment(let segment):
      let parts = segment.split(atByte: byteCount)
      note(split: place, other, low)
      handles[place].put(.anySegment(parts.low))
      handles[other].put(.anySegment(parts.high))
    case .untypedSegment(let segment):
      let parts = segment.split(atByte: byteCount)
      note(split: place, other, low)
      handles[place].put(.untypedSegment(parts.low))
      handles[other].put(.untypedSegment(parts.high))
    case let handle: putBack(handle, entry.kind, at: place)
    }
  }

  /// The entry at `place` keeps its first `low` frames; the others go to `other`.
  private mutating func note(split place: Int, _ other: Int, _ low: Int) {
    model.entries[other].kind = model.entries[place].kind
    model.entries[other].start = model.entries[place].start + low
    model.entries[other].count = model.entries[place].count - low
    model.entries[place].count = low
  }

  mutating func slice() {
    guard let place = pick({ $0.isSegment }), let other = freePlace() else { return }
    let count = model.entries[place].count
    let low = generator.below(count)
    let high = low + 1 + generator.below(count - low)
    slice(place, other, from: low, to: high)
  }

  mutating func takeNext() {
    guard let place = pick({ $0.isSegment }), let other = freePlace() else { return }
    let entry = model.entries[place]
    model.entries[other].start = entry.start
    model.entries[other].count = 1
    model.entries[other].kind = entry.kind.counterpart
    model.entries[place].start += 1
    model.entries[place].count -= 1
    switch take(place) {
    case .segment(var segment):
      if let frame = segment.next() { handles[other].put(.frame(frame)) }
      expect(segment.frameCount == entry.count - 1, "a segment shrinks by what is taken off")
      handles[place].put(.segment(segment))
    case .memorySegment(var segment):
      if let frame = segment.next() { handles[other].put(.memory(frame)) }
      handles[place].put(.memorySegment(segment))
    case .anySegment(var segment):
      if let frame = segment.next() { handles[other].put(.any(frame)) }
      handles[place].put(.anySegment(segment))
    case .untypedSegment(var segment):
      if let frame = segment.next() { handles[other].put(.untyped(frame)) }
      handles[place].put(.untypedSegment(segment))
    case let handle: putBack(handle, entry.kind, at: place)
    }
    guard entry.count == 1 else { return }
    // What is left has no frames.
    model.entries[place].kind = .none
    handles[place].clear()
  }

  mutating func makeSegment() {
    guard let place = pick({ $0.isFrame }) else { return }
    let entry = model.entries[place]
    let kind = entry.kind.counterpart
    switch take(place) {
    case .frame(let frame): putBack(.segment(Segment(frame)), kind, at: place)
    case .memory(let frame): putBack(.memorySegment(Segment(frame)), kind, at: place)
    case .any(let frame): putBack(.anySegment(Segment(frame)), kind, at: place)
    case .untyped(let frame): putBack(.untypedSegment(Segment(frame)), kind, at: place)
    case let handle: putBack(handle, entry.kind, at: place)
    }
  }

  mutating func write() {
    guard let place = pick({ $0.isWritable }) else { return }
    let entry = model.entries[place]
    switch take(place) {
    case .memory(let frame):
      write(to: frame, entry)
      putBack(.memory(frame), entry.kind, at: place)
    case .untyped(let frame):
      write(to: frame, entry)
      putBack(.untyped(frame), entry.kind, at: place)
    case .uniqueMemory(let frame):
      write(to: frame, entry)
      putBack(.uniqueMemory(frame), entry.kind, at: place)
    case .memorySegment(let segment):
      write(to: segment, entry)
      putBack(.memorySegment(segment), entry.kind, at: place)
    case .untypedSegment(let segment):
      write(to: segment, entry)
      putBack(.untypedSegment(segment), entry.kind, at: place)
    case let handle: putBack(handle, entry.kind, at: place)
    }
  }

  /// Checks what was written to one frame of the entry before, and writes something else.
  private mutating func write(
    to memory: borrowing some UntypedMemory & ~Copyable, _ entry: FrameModel.Entry
  ) {
    expect(memory.address == model.address(entry.start), "memory starts at its first frame")
    let frame = generator.below(entry.count)
    let index = entry.start + frame
    let offset = UInt64(frame) * 4096
    expect(memory.word(at: offset) == model.records[index].word, "memory keeps what was written")
    let word = generator.next()
    model.records[index].word = word
    memory.setWord(word, at: offset)
    let other = offset + 8 + UInt64(generator.below(511)) * 8
    memory.setWord(~word, at: other)
    expect(memory.word(at: other) == ~word, "a word is where it was written")
  }

  mutating func freePart() {
    guard let place = pickLong({ $0 == .raw }), let other = freePlace() else { return }
    let entry = model.entries[place]
    isEffective = true
    let low = generator.below(entry.count)
    let high = low + 1 + generator.below(entry.count - low)
    FrameAllocator.free(model.address(entry.start + low), high - low)
    for index in entry.start + low..<entry.start + high { model.records[index].state = .free }
    // What is left are the frames before and those behind.
    model.entries[place].count = low
    if low == 0 {
      model.entries[place].kind = .none
      handles[place].clear()
    }
    guard high < entry.count else { return }
    put(.address, .raw, at: other, start: entry.start + high, count: entry.count - high)
  }
}
