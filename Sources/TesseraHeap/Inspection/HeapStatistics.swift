internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// What the objects of one size take.
public struct SizeClassStatistics: Equatable, Sendable {
  /// The size of an object, in bytes.
  public var byteCount = 0
  /// The number of objects in use.
  public var usedCount: UInt64 = 0
  /// The number of slabs: frames that are full of objects in use and free ones.
  public var slabCount: UInt64 = 0
  /// How many objects have been allocated since the start.
  public var allocatedCount: UInt64 = 0

  /// The number of objects in all slabs.
  public var objectCount: UInt64 {
    byteCount == 0 ? 0 : slabCount * UInt64(4096 / byteCount)
  }
}

/// What the heap takes. Exact while no other processor uses it; an object that was freed by another
/// processor than the one that allocated it counts as in use until that takes it back.
public struct HeapStatistics: Equatable, Sendable {
  /// The number of frames of objects of several pages.
  public var largeFrameCount: UInt64 = 0
  /// The number of frames of objects in the kernel virtual area.
  public var mappedFrameCount: UInt64 = 0
  /// The number of slabs of all classes.
  public var slabCount: UInt64 = 0
  /// The number of frames of the heap's own records: one for each processor that has used it.
  public var recordCount: UInt64 = 0
  /// The number of bytes of the small objects in use, and of the pages of larger ones.
  public var usedByteCount: UInt64 = 0

  /// The number of frames that the heap has.
  public var frameCount: UInt64 { largeFrameCount + mappedFrameCount + slabCount + recordCount }
}

/// Counters of objects that are no slab's.
enum HeapCounters {
  /// Access: atomic.
  private static let large = Atomic<UInt64>(0)
  /// Access: atomic.
  private static let mapped = Atomic<UInt64>(0)

  /// Adds `frameCount`, which may be negative, to the frames of large objects.
  static func countLarge(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    large.wrappingAdd(UInt64(bitPattern: Int64(frameCount)), ordering: .relaxed)
  }

  /// Adds `frameCount`, which may be negative, to the frames of mapped objects.
  static func countMapped(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    mapped.wrappingAdd(UInt64(bitPattern: Int64(frameCount)), ordering: .relaxed)
  }

  // Ordering: relaxed; a statistic.
  static var largeFrameCount: UInt64 { large.load(ordering: .relaxed) }
  // Ordering: relaxed; a statistic.
  static var mappedFrameCount: UInt64 { mapped.load(ordering: .relaxed) }

  static func reset() {
    // Ordering: relaxed; nothing else runs.
    large.store(0, ordering: .relaxed)
    // Ordering: relaxed; nothing else runs.
    mapped.store(0, ordering: .relaxed)
  }
}

extension Heap {
  /// The number of size classes of small objects.
  public static var sizeClassCount: Int { SizeClass.count }

  /// What the objects of class `number` take, on all processors.
  ///
  /// - Precondition: `number` is in `0..<sizeClassCount`.
  public static func statistics(ofSizeClass number: Int) -> SizeClassStatistics {
    require(number >= 0 && number < SizeClass.count, "there is no such size class")
    var sum = SizeClassStatistics(byteCount: SizeClass.byteCount(of: number))
    for processor in 0..<FrameAllocator.processorCount {
      guard let heap = ProcessorHeap(of: processor) else { continue }
      // SAFETY: the counters are atomic.
      let cache = unsafe heap.cache(number)
      // Ordering: relaxed; statistics.
      let allocated = unsafe cache.pointee.allocatedCount.load(ordering: .relaxed)
      sum.allocatedCount += allocated
      // Ordering: relaxed; as above.
      sum.usedCount &+= unsafe allocated &- cache.pointee.freedCount.load(ordering: .relaxed)
      // Ordering: relaxed; as above.
      sum.slabCount &+= unsafe cache.pointee.slabCount.load(ordering: .relaxed)
    }
    return sum
  }

  /// What the heap takes.
  public static var statistics: HeapStatistics {
    var sum = HeapStatistics()
    sum.largeFrameCount = HeapCounters.largeFrameCount
    sum.mappedFrameCount = HeapCounters.mappedFrameCount
    sum.usedByteCount = (sum.largeFrameCount + sum.mappedFrameCount) << 12
    for number in 0..<SizeClass.count {
      let part = statistics(ofSizeClass: number)
      sum.slabCount += part.slabCount
      sum.usedByteCount += part.usedCount * UInt64(part.byteCount)
    }
    for processor in 0..<FrameAllocator.processorCount where ProcessorHeap(of: processor) != nil {
      sum.recordCount += 1
    }
    return sum
  }
}
