internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The number of free frames before a storm, and what must hold while no processor works.
struct StormBalance {
  private let freeFrameCount = FrameAllocator.statistics.freeFrameCount

  /// The number of frames that are not free again, or that are free and were not.
  var lostFrameCount: UInt64 {
    let now = FrameAllocator.statistics.freeFrameCount
    return now < freeFrameCount ? freeFrameCount - now : now - freeFrameCount
  }

  /// Returns what each processor keeps to the allocator.
  static func drain() {
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in
      NodePool.drain()
      FrameAllocator.drainCache()
    }
  }

  /// Flushes all translations of all processors.
  static func flushEverywhere() {
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in Processor.invalidateAll(alsoGlobal: true) }
  }

  /// The number of invariants of slots, allocator and kernel space that do not hold.
  static var brokenInvariantCount: Int {
    var broken = 0
    FrameTable.checkInvariants { _, _ in broken += 1 }
    FrameAllocator.checkInvariants { _ in broken += 1 }
    KernelSpace.checkInvariants { _, _, _ in broken += 1 }
    return broken
  }

  /// The number of invariants of `space` that do not hold.
  static func brokenInvariantCount(of space: borrowing VmSpace) -> Int {
    var broken = 0
    space.checkInvariants { _, _, _ in broken += 1 }
    return broken
  }
}
