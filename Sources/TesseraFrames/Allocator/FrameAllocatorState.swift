internal import TesseraHardware

/// The state of the allocator, in memory that was allocated at start-up.
///
/// SAFETY: safe to use, because the caches to which it points live as long as it does.
@safe
struct FrameAllocatorState: ~Copyable {
  /// The frames below 16 MiB, for the oldest devices; below 4 GiB, for 32-bit devices; the rest.
  ///
  /// Access: under the lock.
  var low: BuddyZone
  var middle: BuddyZone
  var high: BuddyZone

  /// One cache for each processor.
  ///
  /// Access: constant; see `ProcessorCache` for the caches themselves.
  @safe let caches: UnsafeMutableRawPointer
  let processorCount: Int

  /// The number of frames that were donated.
  ///
  /// Access: under the lock.
  var managedFrameCount: UInt64 = 0
  /// The number of the frame after the last of them.
  ///
  /// Access: under the lock.
  var managedEnd: UInt64 = 0

  /// The number of the first frame that is put into caches when it is freed, unless frames are
  /// short.
  ///
  /// Access: under the lock.
  var firstCachedFrame: UInt64 = 0
  /// Whether a request for frames had to ask other processors for theirs, and there are not many
  /// yet. No frame is cached then.
  ///
  /// Access: under the lock.
  var isShort = false

  /// The caller provides `processorCount` initialized caches, permanently.
  @unsafe init(caches: UnsafeMutableRawPointer, processorCount: Int) {
    low = BuddyZone(from: 0, to: 16 << 8)
    middle = BuddyZone(from: 16 << 8, to: 1 << 20)
    high = BuddyZone(from: 1 << 20, to: PhysicalAddress.limit.frameNumber)
    unsafe self.caches = caches
    self.processorCount = processorCount
  }

  /// Calls `body` with the cache of each processor.
  func visitCaches(_ body: (borrowing ProcessorCache) -> Void) {
    for index in 0..<processorCount { body(cache(of: index)) }
  }

  /// The cache of `processor`.
  func cache(of processor: Int) -> ProcessorCache {
    require(processor < processorCount, "a processor has no cache")
    // SAFETY: there are so many initialized caches.
    return unsafe ProcessorCache(of: processor, at: caches)
  }

  /// The number of frames in all caches. Exact while their processors do not use them.
  ///
  /// A frame that moves from one cache to another meanwhile can be counted twice. The frames that
  /// are not in the zones bound the result.
  var cachedFrameCount: UInt64 {
    var sum: UInt64 = 0
    visitCaches { sum += UInt64($0.heldCount) }
    return min(sum, managedFrameCount - freeFrameCount)
  }

  var freeFrameCount: UInt64 {
    low.freeFrameCount + middle.freeFrameCount + high.freeFrameCount
  }
}

// All of it under the lock.
extension FrameAllocatorState {
  /// Allocates a block of 2^`order` frames that ends at or before frame `limit`, from the highest
  /// zone that has one. Returns the number of its first frame.
  ///
  /// Returns nil as well if the limit divides a zone whose lists do not tell; and instead of a
  /// block of the low zone, which is small, if there are free frames above that may lie side by
  /// side.
  @inline(__always)
  mutating func allocateBlock(order: Int, limit: UInt64) -> UInt64? {
    if limit > high.start {
      if let number = high.allocate(order: order, limit: limit) { return number }
      if limit < FrameTable.frameCount { return nil }
    }
    if limit > middle.start {
      if let number = middle.allocate(order: order, limit: limit) { return number }
      if limit < min(middle.end, FrameTable.frameCount) { return nil }
      if middle.freeFrameCount | (limit > high.start ? high.freeFrameCount : 0) != 0 { return nil }
    }
    return low.allocate(order: order, limit: limit)
  }

  /// Calls `body` with the highest zone that has free frames, if there is one.
  @inline(__always)
  mutating func withHighestFreeZone(_ body: (inout BuddyZone) -> Void) {
    if high.freeFrameCount > 0 {
      body(&high)
    } else if middle.freeFrameCount > 0 {
      body(&middle)
    } else {
      body(&low)
    }
  }

  /// Frees the block of 2^`order` frames that starts with frame `number`.
  ///
  /// It lies in one zone, because it is aligned to its size.
  @inline(__always)
  mutating func freeBlock(_ number: UInt64, order: Int) {
    if number >= high.start {
      high.free(number, order: order)
    } else if number >= middle.start {
      middle.free(number, order: order)
    } else {
      low.free(number, order: order)
    }
  }

  /// Frees `frameCount` contiguous frames from frame `number` on, as the largest blocks that fit.
  mutating func freeRun(_ number: UInt64, frameCount: UInt64) {
    var number = number
    var left = frameCount
    while left > 0 {
      let end = zoneEnd(of: number)
      let fitting = 63 - min(left, end - number).leadingZeroBitCount
      let order = min(min(number.trailingZeroBitCount, fitting), BuddyZone.orderCount - 1)
      freeBlock(number, order: order)
      number += 1 << UInt64(order)
      left -= 1 << UInt64(order)
    }
  }

  /// Frees the frame of `slot`, of kind `cached`, so that all processors can have it.
  @inline(never)
  mutating func freeScarce(_ slot: FrameSlotReference) {
    slot.setKind(.plain)
    freeRun(FrameTable.number(of: slot), frameCount: 1)
    noteFreed()
  }

  /// Frees the frames of `run`.
  mutating func freeRun(_ run: FrameRun) {
    let first = FrameTable.number(of: run.first)
    guard run.only == nil else { return freeBlock(first, order: 0) }
    freeRun(first, frameCount: UInt64(run.frameCount))
  }

  private func zoneEnd(of number: UInt64) -> UInt64 {
    if number < low.end { return low.end }
    return number < middle.end ? middle.end : high.end
  }

  /// Removes frame `number` from its free block. Returns whether it was in one.
  mutating func remove(_ number: UInt64) -> Bool {
    if number >= high.start { return high.remove(number) }
    if number >= middle.start { return middle.remove(number) }
    return low.remove(number)
  }

  /// The number of frames of the largest free block.
  var largestFreeBlock: UInt64 {
    let order = max(low.largestOrder ?? -1, max(middle.largestOrder ?? -1, high.largestOrder ?? -1))
    return order < 0 ? 0 : 1 << UInt64(order)
  }
}
