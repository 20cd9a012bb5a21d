internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables

/// A long random use of the heap, compared with a model that knows every object and its contents.
///
/// An object that overlaps another is noticed by the contents of one of them. What an operation
/// does follows from the seed alone.
package struct RandomHeapOperations: ~Copyable {
  private let options: RandomHeapOptions
  private var outcome = RandomHeapOutcome()
  private var generator: SplitMix
  private let objects: ModelArray<HeapModelObject>
  private let owners: ModelArray<UInt16>
  private var processor = 0

  /// The caller gives memory for the tables, `tableByteCount` bytes, for as long as this lives.
  @unsafe private init(_ options: RandomHeapOptions, tablesAt memory: UnsafeMutableRawPointer) {
    self.options = options
    generator = SplitMix(seed: options.seed)
    unsafe objects = ModelArray(
      at: memory, count: options.objectCount, repeating: HeapModelObject())
    let byteCount = ModelArray<HeapModelObject>.byteCount(options.objectCount)
    unsafe owners = ModelArray(
      at: memory + byteCount, count: options.objectCount, repeating: 0)
  }

  private static func tableByteCount(_ options: RandomHeapOptions) -> Int {
    ModelArray<HeapModelObject>.byteCount(options.objectCount)
      + ModelArray<UInt16>.byteCount(options.objectCount)
  }

  /// Walks as `options` say. Frees all objects at the end, and all frames of the heap.
  // Kept out of the modules that call it: the compiler cannot destroy there what is internal here.
  @export(interface)
  package static func run(_ options: RandomHeapOptions) -> RandomHeapOutcome {
    do throws(TesseraError) {
      let frameCount = tableByteCount(options) / 4096 + 1
      let memory = try Segment(allocating: frameCount, .uninitialized) { _ in PlainMemory() }
      NodePool.drain()
      let usedBefore = FrameAllocator.statistics.usedFrameCount - Heap.statistics.frameCount
      // SAFETY: the memory is large enough, and unused otherwise until it is freed.
      var walk = unsafe RandomHeapOperations(
        options, tablesAt: PhysicalMemory.pointer(to: memory.address))
      walk.go()
      walk.finish(usedBefore)
      let outcome = walk.outcome
      _ = consume memory
      return outcome
    } catch {
      var outcome = RandomHeapOutcome()
      outcome.problem = "there is memory for a walk"
      return outcome
    }
  }

  private mutating func go() {
    while outcome.problem == nil && outcome.operationCount < options.operationCount {
      outcome.operationCount += 1
      step(generator.below(options.objectCount))
      if options.isSpoiled && outcome.operationCount == options.operationCount / 2 { spoil() }
      if outcome.operationCount % options.checkInterval == 0 { checkEverything() }
    }
  }

  private mutating func step(_ index: Int) {
    switch generator.below(100) {
    case 0..<4: become(generator.below(options.processorCount))
    case 4: Heap.trim()
    case 5: options.failAllocation?(1 + generator.below(3))
    case 6..<20 where objects[index].isThere: resize(index)
    case 20..<40 where objects[index].isThere: check(index)
    default: if objects[index].isThere { free(index) } else { allocate(index) }
    }
  }

  private mutating func become(_ number: Int) {
    guard let become = options.become else { return }
    processor = number
    become(number)
  }

  private mutating func expect(
    _ condition: Bool, _ problem: StaticString, _ object: HeapModelObject = HeapModelObject()
  ) {
    guard !condition, outcome.problem == nil else { return }
    outcome.problem = problem
    outcome.address = object.address
  }
}

extension RandomHeapOperations {
  private mutating func allocate(_ index: Int) {
    var object = HeapModelObject()
    object.byteCount = HeapSizes.next(&generator)
    object.seed = generator.next()
    let isZeroed = generator.oneIn(8)
    let alignment = generator.oneIn(8) ? 1 << generator.below(14) : 16
    do throws(TesseraError) {
      // SAFETY: the object is this walk's.
      let pointer = unsafe try Heap.allocate(
        byteCount: object.byteCount, alignment: alignment, isZeroed: isZeroed)
      object.address = UInt(bitPattern: pointer)
    } catch {
      expect(error == .outOfFrames, "an allocation fails for lack of frames alone")
      outcome.failureCount += 1
      return
    }
    outcome.allocationCount += 1
    if object.byteCount > 2048 { outcome.largeCount += 1 }
    expect(
      object.address % UInt(max(16, alignment)) == 0, "an object is aligned as it was asked for",
      object)
    if isZeroed { expect(object.isZero, "an object that should be zero is", object) }
    object.fill()
    objects[index] = object
    owners[index] = UInt16(processor)
    check(index)
  }

  private mutating func free(_ index: Int) {
    check(index)
    let object = objects[index]
    // SAFETY: the object is this walk's, which forgets it.
    unsafe Heap.free(object.pointer)
    outcome.freeCount += 1
    if Int(owners[index]) != processor { outcome.crossFreeCount += 1 }
    objects[index] = HeapModelObject()
  }

  private mutating func resize(_ index: Int) {
    check(index)
    let old = objects[index]
    var object = old
    object.byteCount = HeapSizes.next(&generator)
    do throws(TesseraError) {
      // SAFETY: the object is this walk's, which notes the new address.
      let pointer = unsafe try Heap.resize(old.pointer, byteCount: object.byteCount)
      object.address = UInt(bitPattern: pointer)
    } catch {
      outcome.failureCount += 1
      check(index)
      return
    }
    outcome.resizeCount += 1
    if object.address != old.address { owners[index] = UInt16(processor) }
    if object.address != old.address { outcome.moveCount += 1 }
    var kept = old
    kept.address = object.address
    let isKept = kept.isIntact(upTo: min(old.byteCount, object.byteCount))
    expect(isKept, "an object keeps its contents when its size changes", object)
    object.fill()
    objects[index] = object
  }

  private mutating func check(_ index: Int) {
    let object = objects[index]
    expect(object.isIntact(), "an object has what was written to it", object)
    // SAFETY: the object is in use.
    let usable = unsafe Heap.byteCount(of: object.pointer)
    expect(usable >= object.byteCount, "an object has as many bytes as were asked for", object)
  }

  /// Checks all objects, and that what the heap says of itself is what they take.
  private mutating func checkEverything() {
    options.failAllocation?(0)
    for number in 0..<options.processorCount {
      become(number)
      while Heap.hasFreedByOthers { Heap.trim() }
    }
    var byteCount: UInt64 = 0
    for index in 0..<options.objectCount where objects[index].isThere {
      check(index)
      byteCount += UInt64(Heap.capacity(of: objects[index].address))
    }
    let statistics = Heap.statistics
    expect(statistics.usedByteCount == byteCount, "the statistics are what all objects take")
    outcome.mappedCount = max(outcome.mappedCount, statistics.mappedFrameCount)
    Heap.checkInvariants { text, _ in outcome.problem = outcome.problem ?? text }
  }

  private mutating func finish(_ usedBefore: UInt64) {
    defer {
      options.failAllocation?(0)
      become(0)
    }
    guard outcome.problem == nil else { return }
    checkEverything()
    for index in 0..<options.objectCount where objects[index].isThere { free(index) }
    for number in 0..<options.processorCount {
      become(number)
      while Heap.hasFreedByOthers { Heap.trim() }
      Heap.trim()
    }
    // Page tables of objects that were mapped.
    NodePool.drain()
    let statistics = Heap.statistics
    expect(
      statistics.frameCount == statistics.recordCount, "the heap has no frame without an object")
    expect(
      FrameAllocator.statistics.usedFrameCount == usedBefore + statistics.frameCount,
      "all frames of the heap are returned")
  }

  /// Changes a byte of the first object there is.
  private mutating func spoil() {
    for index in 0..<options.objectCount where objects[index].byteCount > 0 {
      // SAFETY: the byte is an object's.
      let byte = unsafe HeapMemory.pointer(to: objects[index].address).load(as: UInt8.self)
      return unsafe HeapMemory.pointer(to: objects[index].address).storeBytes(
        of: ~byte, as: UInt8.self)
    }
  }
}
