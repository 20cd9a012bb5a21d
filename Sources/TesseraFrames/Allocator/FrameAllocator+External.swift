internal import Synchronization
internal import TesseraHardware

/// How many frames the kernel's allocator may give.
///
/// Access: atomic.
private let managedFrames = Atomic<UInt64>(0)
/// How many of them Tessera has.
///
/// Access: atomic.
private let takenFrames = Atomic<UInt64>(0)

/// What the frame allocator does if the kernel has one of its own. Frames that are not Tessera's
/// are of kind `external` then, and nobody's by their count, so that the same exchange that claims a
/// frame finds out whether Tessera has it already.
extension FrameAllocator {
  /// Access: written by `start` and `stop`, constant in between.
  nonisolated(unsafe) private static var installedExternal: ExternalAllocator?

  /// Whether the kernel's own allocator is in use.
  package static var isExternal: Bool {
    // SAFETY: constant once the kernel runs.
    unsafe installedExternal != nil
  }

  /// Makes `allocator` the one in use, or the one in the box. Runs alone.
  static func useExternal(_ allocator: ExternalAllocator?) {
    // SAFETY: nothing else runs.
    unsafe installedExternal = allocator
    // Ordering: relaxed; numbers, and nothing else runs.
    managedFrames.store(0, ordering: .relaxed)
    // Ordering: as above.
    takenFrames.store(0, ordering: .relaxed)
  }

  /// Says that the kernel's allocator may give the frame of `slot`, which nobody owns.
  static func leaveExternal(_ slot: FrameSlotReference) {
    slot.makeUnowned(as: .external)
    // Ordering: relaxed; a statistic.
    managedFrames.wrappingAdd(1, ordering: .relaxed)
  }

  /// Takes `frameCount` frames that follow each other from the kernel's allocator, as `request`
  /// says; nil if it has none.
  ///
  /// Their counts are `busy`; the caller alone has them. Traps if they are not the kernel's to
  /// give.
  @inline(never)
  static func allocateExternally(_ frameCount: Int, _ request: FrameRequest) -> FrameSlotReference?
  {
    // SAFETY: constant once the kernel runs.
    guard
      let start = unsafe installedExternal?.allocate(
        UInt64(frameCount), request, below: FrameTable.end)
    else { return nil }
    let first = FrameTable.slot(number: start.frameNumber)
    for index in 0..<frameCount { receive(first.advanced(by: index)) }
    noteAcquired(frameCount)
    return first
  }

  /// Takes over the frame of `slot`, which the kernel's allocator gave.
  private static func receive(_ slot: FrameSlotReference) {
    do throws(FrameError) { try slot.claim() } catch {
      ExternalAllocator.refuse(
        slot.kind.usage == .unused ? .object : slot.kind.usage, at: slot.address)
    }
    let kind = slot.kind
    if kind != .external {
      // Nobody's: low memory, or a frame that was handed out bare.
      ExternalAllocator.refuse(kind.isAllocated ? .object : .unused, at: slot.address)
    }
    if Processor.poisonsFrames { FramePoison.apply(to: slot) }
    slot.setKind(.cached)
  }

  /// Gives `frameCount` frames from `first` on, which the caller alone has, back to the kernel's
  /// allocator.
  @inline(never)
  static func freeExternally(_ first: FrameSlotReference, frameCount: Int) {
    // From the moment that the function is called, another processor may be given the frames.
    for index in 0..<frameCount { first.advanced(by: index).makeUnowned(as: .external) }
    noteReturned(frameCount)
    // SAFETY: constant once the kernel runs.
    unsafe installedExternal?.free(first.address, UInt64(frameCount))
  }

  /// Counts frames that came to Tessera: given by the kernel's allocator, or claimed by address.
  static func noteAcquired(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    takenFrames.wrappingAdd(UInt64(frameCount), ordering: .relaxed)
  }

  /// Counts frames that left Tessera.
  static func noteReturned(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    takenFrames.wrappingSubtract(UInt64(frameCount), ordering: .relaxed)
  }
}

extension FrameAllocator {
  /// The statistics while the kernel's allocator is in use: what Tessera does not have counts as
  /// free, whatever the kernel does with it.
  static var externalStatistics: FrameStatistics {
    // Ordering: relaxed; statistics.
    let managed = managedFrames.load(ordering: .relaxed)
    // Ordering: as above.
    let taken = takenFrames.load(ordering: .relaxed)
    return FrameStatistics(
      managedFrameCount: managed, freeFrameCount: managed - taken, cachedFrameCount: 0,
      largestFreeBlock: 0)
  }

  /// As `checkInvariants`, while the kernel's allocator is in use. Visits every slot.
  static func checkExternal(_ report: (StaticString) -> Void) {
    var outside: UInt64 = 0
    var taken: UInt64 = 0
    for number in 0..<FrameTable.frameCount {
      let kind = FrameTable.slot(number: number).kind
      if kind == .external { outside += 1 } else if kind.isAllocated { taken += 1 }
    }
    let statistics = externalStatistics
    if taken != statistics.usedFrameCount {
      report("as many frames of the kernel's allocator are in use as are counted")
    }
    if outside != statistics.freeFrameCount {
      report("as many frames are the kernel's allocator's as are counted")
    }
  }
}
