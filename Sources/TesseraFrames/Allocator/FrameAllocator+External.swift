internal import Synchronization
internal import TesseraHardware

/// The number of frames that the kernel's allocator may allocate to Tessera.
///
/// Access: atomic.
private let managedFrames = Atomic<UInt64>(0)
/// How many of them Tessera has.
///
/// Access: atomic.
private let acquiredFrames = Atomic<UInt64>(0)

// The frame allocator of a kernel that has its own. The frames that Tessera does not have are of
// kind `external`, and their count is `unused`. So the exchange that claims a frame also detects
// one that Tessera already has.
extension FrameAllocator {
  /// SAFETY: safe to use, because it is constant once the kernel runs.
  ///
  /// Access: written by `start` and `stop`, constant in between.
  @safe nonisolated(unsafe) private static var installedExternal: ExternalAllocator?

  /// A Boolean value indicating whether the kernel's own allocator is in use.
  package static var isExternal: Bool { installedExternal != nil }

  /// Selects the external allocator, or the built-in one if `allocator` is nil. No other processor
  /// runs.
  static func useExternal(_ allocator: ExternalAllocator?) {
    installedExternal = allocator
    // Ordering: relaxed; statistics, and no other processor runs.
    managedFrames.store(0, ordering: .relaxed)
    // Ordering: relaxed; as for the one above.
    acquiredFrames.store(0, ordering: .relaxed)
  }

  /// Allows the kernel's allocator to allocate the frame of `slot`, which is unowned.
  static func donateExternally(_ slot: FrameSlotReference) {
    slot.makeUnowned(as: .external)
    // Ordering: relaxed; a statistic.
    managedFrames.wrappingAdd(1, ordering: .relaxed)
  }

  /// Allocates `frameCount` contiguous frames from the kernel's allocator as `request` describes.
  /// Returns the first, or nil if it has none.
  ///
  /// Their counts are `inTransition`.
  ///
  /// - Precondition: The kernel's allocator returns frames that it may allocate.
  @inline(never)
  static func allocateExternally(_ frameCount: Int, _ request: FrameRequest) -> FrameSlotReference?
  {
    guard
      let start = installedExternal?.allocate(UInt64(frameCount), request, below: FrameTable.end)
    else { return nil }
    let first = FrameTable.slot(number: start.frameNumber)
    for index in 0..<frameCount { receive(first.advanced(by: index)) }
    noteAcquired(frameCount)
    return first
  }

  /// Claims the frame of `slot`, which the kernel's allocator returned.
  private static func receive(_ slot: FrameSlotReference) {
    do throws(TesseraError) { try slot.claim() } catch {
      ExternalAllocator.reject(
        slot.kind.usage == .unused ? .object : slot.kind.usage, at: slot.address)
    }
    let kind = slot.kind
    if kind != .external {
      // Unowned: low memory, or a raw allocation.
      ExternalAllocator.reject(kind.isAllocated ? .object : .unused, at: slot.address)
    }
    if SimulationHooks.poisonsFreedFrames { FramePoison.apply(to: slot) }
    slot.setKind(.cached)
  }

  /// Returns `frameCount` contiguous frames, which only the caller owns, to the kernel's allocator.
  @inline(never)
  static func freeExternally(_ first: FrameSlotReference, frameCount: Int) {
    // Once the function is called, the frames may be allocated to another processor.
    for index in 0..<frameCount { first.advanced(by: index).makeUnowned(as: .external) }
    noteReturned(frameCount)
    installedExternal?.free(first.address, UInt64(frameCount))
  }

  /// Counts frames that Tessera got, allocated by the kernel's allocator or claimed by address.
  static func noteAcquired(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    acquiredFrames.wrappingAdd(UInt64(frameCount), ordering: .relaxed)
  }

  /// Counts frames that Tessera returned.
  static func noteReturned(_ frameCount: Int) {
    // Ordering: relaxed; a statistic.
    acquiredFrames.wrappingSubtract(UInt64(frameCount), ordering: .relaxed)
  }

  /// The statistics while the kernel's allocator is in use: frames that Tessera does not have count
  /// as free, whatever the kernel uses them for.
  static var externalStatistics: FrameStatistics {
    // Ordering: relaxed; statistics.
    let managed = managedFrames.load(ordering: .relaxed)
    // Ordering: relaxed; statistics.
    let acquired = acquiredFrames.load(ordering: .relaxed)
    // Frames may have been donated and acquired in between.
    return FrameStatistics(
      managedFrameCount: managed, freeFrameCount: managed - min(managed, acquired),
      cachedFrameCount: 0,
      largestFreeBlock: 0)
  }
}
