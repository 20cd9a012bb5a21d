internal import TesseraHardware

// The free frames in the caches of other processors, which are asked for before a request fails.
extension FrameAllocator {
  /// Interrupts those of `processors`, a bit for each of `group`, that can be, and returns them.
  /// Each then calls `lendCache`.
  package typealias InterruptOthers =
    @convention(c) (_ processors: UInt64, _ group: Int) -> UInt64

  /// SAFETY: safe to use, because it is constant once the kernel runs.
  ///
  /// Access: written by `askOthers(by:)`, `start` and `stop`, constant in between.
  @safe nonisolated(unsafe) private static var interruptOthers: InterruptOthers?

  /// How often a request reads whether another processor has answered, before it does without:
  /// about a millisecond, as long as one takes to wake up.
  ///
  /// SAFETY: safe to use, because nothing else runs while it is written.
  ///
  /// Access: written by a test, while nothing else runs.
  @safe nonisolated(unsafe) private static var patience = usualPatience

  package static var usualPatience: Int { 1 << 15 }

  /// Makes a request read no more than `count` times whether others have answered. For tests, while
  /// nothing else runs.
  package static func setPatience(_ count: Int) { patience = count }

  /// Asks other processors by `function` for the frames in their caches before a request fails, or
  /// does not if it is nil. No other processor runs.
  ///
  /// It is called without the allocator's lock, but wherever a frame is allocated.
  package static func askOthers(by function: InterruptOthers?) { interruptOthers = function }

  /// Lends the frames of this processor's cache to others, if they have asked for them.
  ///
  /// Takes no lock and waits for nothing, but for the allocator's lock if the heap keeps slabs,
  /// which are freed to the zones: its holder waits for no other processor. Called where a
  /// processor is interrupted by another, or waits for one.
  package static func lendCache() {
    guard hasCaches, Processor.current < processorCount else { return }
    if isTrimmed, withRequest(of: Processor.current, { $0.isPending }) { _ = trim() }
    withCache { $0.lendIfAsked() }
  }

  /// Moves the free frames of all processors' caches to the zones, this one's too, before a request
  /// fails.
  ///
  /// From then on frames are freed to the zones, until there are enough of them: the others' caches
  /// stay empty, and need not be asked for again. Waits for the others for a bounded time. One that
  /// does not answer in it keeps what is in its cache, and is not waited for again until it has.
  @inline(never)
  static func drainAllCaches() {
    drainCache()
    guard processorCount > 1 else { return }
    for group in 0..<ProcessorSet.groupCount(of: processorCount) {
      let asked = withLock { state, _ in
        state.setShort(true)
        return state.askOthers(group, Processor.current)
      } external: {
        ProcessorSet()
      }
      // Ordered by what `interruptOthers` does: the requests are seen by who is interrupted.
      let reached = asked.isEmpty ? 0 : interruptOthers?(asked.rawValue, group) ?? 0
      ProcessorSet(rawValue: asked.rawValue & ~reached).visit(group: group) { giveUp(on: $0) }
    }
    waitForOthers()
    for processor in 0..<processorCount where withRequest(of: processor, { $0.lentCount }) > 0 {
      withLock { state, _ in
        state.takeLent(of: processor)
      } external: {
      }
    }
  }

  /// Whether frames are short: a request had to ask other processors for theirs, and there are not
  /// many yet. Then no frame is cached.
  package static var areFramesShort: Bool {
    withLock { state, _ in
      state.isShort
    } external: {
      false
    }
  }

  /// Waits until no other processor is asked for its cache and awaited, or for as long as the
  /// patience lasts. Answers others meanwhile, whether interrupts are on or off.
  private static func waitForOthers() {
    let here = Processor.current
    var readsLeft = patience
    for processor in 0..<processorCount where processor != here {
      while isAwaited(processor) {
        guard readsLeft > 0 else {
          giveUp(on: processor)
          break
        }
        readsLeft -= 1
        lendCache()
        Processor.pause()
      }
    }
  }

  private static func isAwaited(_ processor: Int) -> Bool {
    withRequest(of: processor) { $0.isAwaited }
  }

  private static func giveUp(on processor: Int) { withRequest(of: processor) { $0.giveUp() } }
}

// All of it under the lock.
extension FrameAllocatorState {
  /// Asks the processors of `group` other than `here` that have frames in their caches, or may have
  /// some in the heap. Returns those that have not been asked before.
  mutating func askOthers(_ group: Int, _ here: Int) -> ProcessorSet {
    var asked = ProcessorSet()
    let first = group * ProcessorSet.groupSize
    for index in first..<min(first + ProcessorSet.groupSize, processorCount) where index != here {
      let cache = cache(of: index)
      let mayLend = cache.count > 0 || FrameAllocator.mayTrim(index)
      if mayLend, cache.request.make() { asked.insert(index) }
    }
    return asked
  }

  /// Moves the frames that `processor` has lent to the zones.
  mutating func takeLent(of processor: Int) {
    takeLent(from: cache(of: processor))
  }

  /// Moves the frames of `cache` that are lent to the zones.
  mutating func takeLent(from cache: borrowing ProcessorCache) {
    let held = cache.request.lentCount
    guard held > 0 else { return }
    freeOldest(held, of: cache)
    cache.request.noteTaken()
  }

  /// Frees the oldest `frameCount` frames of `cache`. One function for all that empty a cache,
  /// because what frees runs is large.
  @inline(never)
  mutating func freeOldest(_ frameCount: Int, of cache: borrowing ProcessorCache) {
    cache.visitOldest(frameCount) { freeRun($0) }
  }

  /// Notes that frames are short, so that none is cached, or that they are not any more.
  mutating func setShort(_ isShort: Bool) {
    self.isShort = isShort
    applyCaching()
  }

  /// Sets the number of the first frame that is put into caches, unless frames are short.
  @inline(__always)
  mutating func cacheFrames(from number: UInt64) {
    if number == firstCachedFrame { return }
    firstCachedFrame = number
    applyCaching()
  }

  /// Frames are short no more once the zones have as many as all caches could hold, or a
  /// quarter of all if that is less.
  @inline(__always)
  mutating func noteFreed() {
    guard isShort else { return }
    let enough = min(UInt64(processorCount * ProcessorCache.capacity), managedFrameCount / 4)
    if freeFrameCount >= enough { setShort(false) }
  }

  @inline(never)
  private func applyCaching() {
    FrameAllocator.cacheFrames(from: isShort ? .max : firstCachedFrame)
  }
}
