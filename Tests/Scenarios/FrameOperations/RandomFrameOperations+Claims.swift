internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  /// Checks that a claim of `count` frames from `first` on, which failed with `error` or
  /// went well if that is nil, went as the model says.
  private mutating func checkClaim(_ error: TesseraError?, _ first: Int, _ count: Int) {
    isEffective = true
    var expected: TesseraError?
    for index in first..<first + count where expected == nil {
      // A frame that another processor keeps for itself cannot be had.
      if mayBeElsewhere(index) && error == .inTransition { return }
      expected = model.claimError(index)
    }
    expect(error == expected, "a claim succeeds or fails as the state of the frames requires")
  }

  private mutating func mayBeElsewhere(_ index: Int) -> Bool {
    guard let machine = options.machine, machine.processorCount > 1 else { return false }
    return model.records[index].state == .free && model.slot(index).kind.isCached
  }

  /// Whether a claim of these frames can be followed by the model: bare frames are claimed all of
  /// an entry at once, or not at all.
  private mutating func canClaim(_ first: Int, _ count: Int) -> Bool {
    for index in first..<first + count {
      if model.claimError(index) != nil { return true }
    }
    for index in first..<first + count where model.use(of: index).isRaw {
      guard let place = rawEntry(first) else { return false }
      return model.entries[place].start == first && model.entries[place].count == count
    }
    return true
  }

  /// The place of the bare entry that has frame `index`.
  private mutating func rawEntry(_ index: Int) -> Int? {
    for place in 0..<FrameModel.mostEntries where model.entries[place].kind == .raw {
      let entry = model.entries[place]
      if entry.start <= index && index < entry.start + entry.count { return place }
    }
    return nil
  }

  /// Removes the bare entry whose frames were claimed from it.
  private mutating func removeRawEntry(_ first: Int) {
    guard model.records[first].state == .held, let place = rawEntry(first) else { return }
    model.entries[place].kind = .none
    handles[place].clear()
  }

  mutating func claimFrame() {
    let index = generator.below(model.frameCount)
    guard let place = freePlace(), canClaim(index, 1) else { return }
    let value = generator.next()
    do throws(TesseraError) {
      if generator.oneIn(2) {
        let frame = try Frame(claiming: model.address(index), metadata: TracedObject(value))
        checkClaim(nil, index, 1)
        removeRawEntry(index)
        model.hold(index, value: value)
        put(.frame(frame), .frame, at: place, start: index)
      } else {
        let frame = try Frame(claiming: model.address(index), metadata: TracedMemory(value))
        checkClaim(nil, index, 1)
        removeRawEntry(index)
        model.hold(index, isMemory: true, value: value, word: value &+ 1)
        frame.setWord(value &+ 1, at: 0)
        put(.memory(frame), .memory, at: place, start: index)
      }
    } catch {
      checkClaim(error, index, 1)
    }
  }

  mutating func claimUnique() {
    let index = generator.below(model.frameCount)
    guard let place = freePlace(), canClaim(index, 1) else { return }
    let value = generator.next()
    do throws(TesseraError) {
      let frame = try UniqueFrame(claiming: model.address(index), metadata: TracedObject(value))
      checkClaim(nil, index, 1)
      removeRawEntry(index)
      model.hold(index, value: value)
      put(.unique(frame), .unique, at: place, start: index)
    } catch {
      checkClaim(error, index, 1)
    }
  }

  mutating func claimRange() {
    let (first, count) = chooseRange()
    guard let place = freePlace(), canClaim(first, count) else { return }
    let value = generator.next()
    let range = model.address(first)..<model.address(first + count)
    do throws(TesseraError) {
      if generator.oneIn(2) {
        let segment = try Segment(claiming: range) { TracedObject(value ^ $0.rawValue) }
        checkClaim(nil, first, count)
        removeRawEntry(first)
        hold(first, count, value: value)
        put(.segment(segment), .segment, at: place, start: first, count: count)
      } else {
        let segment = try Segment(claiming: range) { TracedMemory(value ^ $0.rawValue) }
        checkClaim(nil, first, count)
        removeRawEntry(first)
        hold(first, count, isMemory: true, value: value)
        initialize(segment, isZeroed: false, from: first, count: count)
        put(.memorySegment(segment), .memorySegment, at: place, start: first, count: count)
      }
    } catch {
      checkClaim(error, first, count)
    }
  }

  /// A range to claim: any, or now and then exactly the frames of a bare entry.
  private mutating func chooseRange() -> (first: Int, count: Int) {
    if generator.oneIn(3), let place = pick({ $0 == .raw }) {
      return (model.entries[place].start, model.entries[place].count)
    }
    let first = generator.below(model.frameCount)
    return (first, min(model.frameCount - first, 1 + generator.below(12)))
  }

  mutating func shareByAddress() {
    guard let place = freePlace() else { return }
    let index = generator.below(model.frameCount)
    guard model.records[index].state != .foreign else { return }
    do throws(TesseraError) {
      let frame = try AnyFrame(sharing: model.address(index))
      expect(model.shareError(index) == nil, "only a frame in use can be shared by address")
      put(.any(frame), .any, at: place, start: index)
    } catch {
      isEffective = true
      expect(error == model.shareError(index), "sharing fails as the frame's state requires")
    }
  }

  mutating func tryBadAddress() {
    isEffective = true
    let inside = model.address(generator.below(model.frameCount))
    let misaligned = inside + UInt64(1 + generator.below(4095))
    let outside = FrameTable.end + UInt64(generator.below(1 << 20)) * 4096
    expect(allFail(at: misaligned, with: .notAligned), "an address of no frame is not aligned")
    expect(
      allFail(at: outside, with: .outOfBounds), "an address beyond all frames is out of bounds")
    expect(
      allFail(at: outside + UInt64(1 + generator.below(4095)), with: .notAligned),
      "alignment is checked before bounds")
    let range = ThrownError.of { () throws(TesseraError) in
      _ = try Segment(claiming: inside..<outside + 4096) { _ in PlainMemory() }
    }
    expect(range == .outOfBounds, "a range beyond all frames is out of bounds")
    let empty = ThrownError.of { () throws(TesseraError) in
      _ = try Segment(claiming: inside..<inside) { _ in PlainMemory() }
    }
    expect(empty == .empty, "an empty range is an error")
  }

  /// Whether every way to reach a frame by its address throws `error`.
  private func allFail(at address: PhysicalAddress, with error: TesseraError) -> Bool {
    let claiming = ThrownError.of { () throws(TesseraError) in
      _ = try Frame(claiming: address, metadata: PlainMemory())
    }
    let unique = ThrownError.of { () throws(TesseraError) in
      _ = try UniqueFrame(claiming: address, metadata: PlainMemory())
    }
    let sharing = ThrownError.of { () throws(TesseraError) in _ = try AnyFrame(sharing: address) }
    return claiming == error && unique == error && sharing == error
  }
}
