import SimulatedMachine
import TesseraFrames
import TesseraHardware

// Processors' caches of free frames, as wholes.
extension World {
  /// The number of frames in a full cache.
  private static let fullCount = 63

  /// Fills the cache of processor `number`. The oldest frames are in pairs that are no neighbours,
  /// so that they are several runs.
  func fillCache(of number: Int) throws {
    try asProcessor(number) {
      FrameAllocator.drainCache()
      let frames = try (0..<Self.fullCount).map { _ in try FrameAllocator.allocate() }
      FrameAllocator.drainCache()
      let halves = [0, 2].map { stride(from: $0, to: frames.count, by: 4) }
      for first in halves.joined() {
        for frame in frames[first...].prefix(2) { FrameAllocator.free(frame) }
      }
      let cached = FrameAllocator.statistics.cachedFrameCount
      precondition(cached == Self.fullCount, "\(cached) frames are in a cache that must be full")
    }
  }

  /// What is wrong if the frames that nothing uses cannot be allocated, each of them once. Only for
  /// the end of a schedule: it empties the caches.
  func problemOfFreeFrames() -> String? {
    for number in 0..<scenario.processorCount {
      asProcessor(number) { FrameAllocator.drainCache() }
    }
    let count = FrameAllocator.statistics.freeFrameCount
    var found: Set<UInt64> = []
    while let frame = try? FrameAllocator.allocate() {
      guard found.insert(frame.rawValue).inserted else { return "a frame was allocated twice" }
    }
    for frame in found { FrameAllocator.free(PhysicalAddress(frame)) }
    return found.count == count ? nil : "\(found.count) frames are found of \(count) free ones"
  }
}
