internal import TesseraHardware

/// What the allocator remembers. It lies in memory that was allocated at start-up.
///
/// Safe to use: the caches that it points to live as long as it does.
@safe
struct FrameAllocatorState: ~Copyable {
  /// Below 16 MiB, for the oldest devices; below 4 GiB, for those of 32 bits; the rest.
  ///
  /// Access: under the lock.
  var low: BuddyZone
  var middle: BuddyZone
  var high: BuddyZone

  /// One cache for each processor.
  ///
  /// Access: constant; see `ProcessorCache` for what it points to.
  let caches: UnsafeMutablePointer<ProcessorCache>
  let processorCount: Int

  /// How many frames the allocator was given.
  ///
  /// Access: under the lock.
  var managedFrameCount: UInt64 = 0

  /// The caller gives memory for `processorCount` initialised caches, for good.
  @unsafe init(caches: UnsafeMutablePointer<ProcessorCache>, processorCount: Int) {
    low = BuddyZone(from: 0, to: 16 << 8)
    middle = BuddyZone(from: 16 << 8, to: 1 << 20)
    high = BuddyZone(from: 1 << 20, to: PhysicalAddress.limit.frameNumber)
    unsafe self.caches = caches
    self.processorCount = processorCount
  }

  /// Calls `body` with the cache of each processor.
  func forEachCache(_ body: (borrowing ProcessorCache) -> Void) {
    for index in 0..<processorCount {
      // SAFETY: there are `processorCount` caches, which live as long as the state.
      unsafe body(caches[index])
    }
  }

  /// How many frames all caches hold. Exact while their processors leave them alone.
  var cachedFrameCount: UInt64 {
    var sum: UInt64 = 0
    forEachCache { sum += UInt64($0.count) }
    return sum
  }

  var freeFrameCount: UInt64 {
    low.freeFrameCount + middle.freeFrameCount + high.freeFrameCount
  }
}

extension FrameAllocatorState {
  /// Takes a block of 2^`order` frames that ends at or before frame `limit`, from the highest zone
  /// that has one. Under the lock.
  mutating func allocateBlock(order: Int, limit: UInt64) -> UInt64? {
    if limit > high.start, let number = high.take(order: order, limit: limit) { return number }
    if limit > middle.start, let number = middle.take(order: order, limit: limit) { return number }
    return low.take(order: order, limit: limit)
  }

  /// Adds the block of 2^`order` frames from frame `number` on. Under the lock.
  ///
  /// A block of this size does not cross from one zone into another.
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

  /// Adds `frameCount` frames from frame `number` on, as the largest blocks that fit. Under the
  /// lock.
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

  private func zoneEnd(of number: UInt64) -> UInt64 {
    if number < low.end { return low.end }
    return number < middle.end ? middle.end : high.end
  }

  /// Takes frame `number` out of its free block. Says whether it was in one. Under the lock.
  mutating func extract(_ number: UInt64) -> Bool {
    if number >= high.start { return high.extract(number) }
    if number >= middle.start { return middle.extract(number) }
    return low.extract(number)
  }

  /// The number of frames of the largest free block.
  var largestFreeBlock: UInt64 {
    let order = max(low.largestOrder ?? -1, max(middle.largestOrder ?? -1, high.largestOrder ?? -1))
    return order < 0 ? 0 : 1 << UInt64(order)
  }
}
