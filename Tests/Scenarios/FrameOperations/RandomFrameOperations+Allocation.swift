internal import TesseraFrames
internal import TesseraHardware

extension RandomFrameOperations {
  /// A request for anything that an allocation can ask for.
  private mutating func makeRequest() -> FrameRequest {
    let isZeroed = generator.oneIn(2)
    let alignment: UInt64 = generator.oneIn(3) ? 4096 << UInt64(generator.below(5)) : 4096
    var limit = PhysicalAddress.limit
    if generator.oneIn(4) {
      let end = model.address(generator.below(model.frameCount + 1))
      limit = end + UInt64(generator.below(2) * 4095)
    }
    return FrameRequest(isZeroed: isZeroed, below: limit, alignment: alignment)
  }

  /// Checks that an allocation of `count` frames, which gave `start` or failed with `error`,
  /// went as the model says. Answers the first frame if there is one.
  mutating func checkAllocation(
    _ start: PhysicalAddress?, _ error: TesseraError?, _ count: Int, _ request: FrameRequest
  ) -> Int? {
    isEffective = true
    if let error {
      outcome.failureCount += 1
      let isExpected = isFailureArmed || isLackPossible || !model.canAllocate(count, request)
      expect(error == .outOfFrames && isExpected, "an allocation fails only without memory")
      return nil
    }
    guard let start, let first = model.index(of: start), first + count <= model.frameCount else {
      differ("an allocation gives frames that the allocator was given")
      return nil
    }
    expect(!isFailureArmed, "an allocation that must fail fails")
    expect(model.canAllocate(count, request), "an allocation succeeds only with memory")
    expect(start.isAligned(to: max(4096, request.alignment)), "an allocation is aligned")
    expect(start + UInt64(count) * 4096 <= request.limit, "an allocation lies below its limit")
    for index in first..<first + count {
      expect(model.records[index].state == .free, "an allocation gives frames that are free")
    }
    return first
  }

  /// Whether frames may be where this processor does not find them.
  private var isLackPossible: Bool {
    guard let machine = options.machine, machine.processorCount > 1 else { return false }
    return FrameAllocator.statistics.cachedFrameCount > 0
  }

  mutating func allocateFrame() {
    guard let place = freePlace() else { return }
    let request = makeRequest()
    let value = generator.next()
    do throws(TesseraError) {
      if generator.oneIn(2) {
        let frame = try Frame(allocating: TracedObject(value), request)
        guard let index = checkAllocation(frame.address, nil, 1, request) else { return }
        model.hold(index, value: value)
        put(.frame(frame), .frame, at: place, start: index)
      } else {
        let frame = try Frame(allocating: TracedMemory(value), request)
        guard let index = checkAllocation(frame.address, nil, 1, request) else { return }
        model.hold(index, isMemory: true, value: value, word: value &+ 1)
        initialize(frame, isZeroed: request.isZeroed, from: index, count: 1)
        put(.memory(frame), .memory, at: place, start: index)
      }
    } catch {
      _ = checkAllocation(nil, error, 1, request)
    }
  }

  mutating func allocateUnique() {
    guard let place = freePlace() else { return }
    let request = makeRequest()
    let value = generator.next()
    do throws(TesseraError) {
      if generator.oneIn(2) {
        let frame = try UniqueFrame(allocating: TracedObject(value), request)
        guard let index = checkAllocation(frame.address, nil, 1, request) else { return }
        model.hold(index, value: value)
        put(.unique(frame), .unique, at: place, start: index)
      } else {
        let frame = try UniqueFrame(allocating: TracedMemory(value), request)
        guard let index = checkAllocation(frame.address, nil, 1, request) else { return }
        model.hold(index, isMemory: true, value: value, word: value &+ 1)
        initialize(frame, isZeroed: request.isZeroed, from: index, count: 1)
        put(.uniqueMemory(frame), .uniqueMemory, at: place, start: index)
      }
    } catch {
      _ = checkAllocation(nil, error, 1, request)
    }
  }

  mutating func allocateSegment() {
    guard let place = freePlace() else { return }
    let count = 1 + generator.below(generator.oneIn(4) ? 40 : 9)
    let request = makeRequest()
    let value = generator.next()
    do throws(TesseraError) {
      if generator.oneIn(2) {
        let segment = try Segment(allocating: count, request) { TracedObject(value ^ $0.rawValue) }
        guard let first = checkAllocation(segment.address, nil, count, request) else { return }
        hold(first, count, value: value)
        put(.segment(segment), .segment, at: place, start: first, count: count)
      } else {
        let segment = try Segment(allocating: count, request) { TracedMemory(value ^ $0.rawValue) }
        guard let first = checkAllocation(segment.address, nil, count, request) else { return }
        hold(first, count, isMemory: true, value: value)
        initialize(segment, isZeroed: request.isZeroed, from: first, count: count)
        put(.memorySegment(segment), .memorySegment, at: place, start: first, count: count)
      }
    } catch {
      _ = checkAllocation(nil, error, count, request)
    }
  }

  mutating func allocateRaw() {
    guard let place = freePlace() else { return }
    let count = 1 + generator.below(generator.oneIn(4) ? 40 : 6)
    let request = makeRequest()
    do throws(TesseraError) {
      let start = try FrameAllocator.allocate(count, request)
      guard let first = checkAllocation(start, nil, count, request) else { return }
      for index in first..<first + count { model.hold(index) }
      put(.address, .raw, at: place, start: first, count: count)
    } catch {
      _ = checkAllocation(nil, error, count, request)
    }
  }

  mutating func allocateNothing() {
    isEffective = true
    let count = -generator.below(3)
    let none = ThrownError.of { () throws(TesseraError) in
      _ = try Segment(allocating: count) { _ in PlainMemory() }
    }
    expect(none == .empty, "an allocation of no frames is an error")
    let huge = model.frameCount + 1 + Int(generator.next() >> UInt64(1 + generator.below(40)))
    let most = ThrownError.of { () throws(TesseraError) in
      _ = try FrameAllocator.allocate(max(huge, 0))
    }
    expect(most == .outOfFrames || huge <= 0, "an allocation of too many frames fails")
    // The first of the two was the one that was made to fail.
    isFailureArmed = false
  }

  /// Gives `count` frames from `first` on to a segment whose metadata came from `value`.
  mutating func hold(_ first: Int, _ count: Int, isMemory: Bool = false, value: UInt64) {
    for index in first..<first + count {
      let own = value ^ model.address(index).rawValue
      model.hold(index, isMemory: isMemory, value: own, word: own &+ 1)
    }
  }

  /// Checks new memory, and writes to each frame the first word that the model has for it.
  mutating func initialize(
    _ memory: borrowing some UntypedMemory & ~Copyable, isZeroed: Bool, from first: Int, count: Int
  ) {
    let offset = UInt64(generator.below(count * 512)) * 8
    if isZeroed {
      expect(memory.word(at: offset) == 0, "memory is zeroed")
      expect(memory.word(at: 0) == 0, "memory is zeroed from its start")
    }
    memory.setWord(.max, at: offset)
    for index in 0..<count {
      memory.setWord(model.records[first + index].word, at: UInt64(index) * 4096)
    }
  }
}
