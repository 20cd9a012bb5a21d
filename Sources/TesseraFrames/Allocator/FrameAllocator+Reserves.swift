internal import Synchronization
internal import TesseraHardware

/// The address of the slot of the first frame that is put into caches.
///
/// Access: atomic.
private let firstCachedSlot = Atomic<UInt>(0)

// What is done before a request fails, and so that others do not.
extension FrameAllocator {
  /// Returns a frame that is kept for later use, which only the caller owns then, by its physical
  /// address; or `nothingReclaimed` if there is none.
  package typealias Reclaim = @convention(c) () -> UInt64

  /// No address of a frame. Zero is one.
  package static var nothingReclaimed: UInt64 { .max }

  /// SAFETY: safe to use, because it is constant once the kernel runs.
  ///
  /// Access: written by `reclaim(by:)`, `start` and `stop`, constant in between.
  @safe nonisolated(unsafe) private static var reclaimFunction: Reclaim?

  /// Calls `function` for frames before a request fails, or no function if it is nil. No other
  /// processor runs.
  ///
  /// It is called without the allocator's lock, but wherever a frame is allocated: with interrupts
  /// off, or with page tables locked. It must not allocate.
  package static func reclaim(by function: Reclaim?) { reclaimFunction = function }

  /// Returns a frame that was kept for later use, as if it had just left a cache; nil if there is
  /// none.
  @inline(never)
  static func reclaim() -> FrameSlotReference? {
    guard let address = reclaimFunction?(), address != nothingReclaimed else { return nil }
    let slot = FrameTable.slot(number: address >> 12)
    SimulationHooks.frameFreed(at: slot.address, byteCount: PageSize.fourKiB.byteCount)
    makeFree(slot, as: .cached)
    return slot
  }

  /// Moves all frames that are kept for later use, and those of all processors' caches, to the
  /// zones.
  private static func reclaimAll() {
    while let slot = reclaim() {
      withLock { state, _ in
        state.freeScarce(slot)
      } external: {
      }
    }
    _ = trim()
    drainAllCaches()
  }
}

extension FrameAllocator {
  /// Allocates contiguous frames that the lists of the zones did not have, by a search. Returns the
  /// number of the first, or nil; nil as well if the kernel's allocator is in use.
  ///
  /// Where the request has a limit within a zone, that zone is searched before a lower one is used.
  /// Otherwise the zones are searched, the highest first, once they have got back all that can be
  /// had.
  @inline(never)
  static func search(_ frameCount: Int, _ request: FrameRequest) -> UInt64? {
    if isExternal { return nil }
    if let number = searchDividedZone(frameCount, request) { return number }
    reclaimAll()
    return allocateFromZones(frameCount, request)
      ?? search(frameCount, request, zone: 2) ?? search(frameCount, request, zone: 1)
      ?? search(frameCount, request, zone: 0)
  }

  /// Like `search`, in the zone that the limit divides, and then from the zones before it.
  private static func searchDividedZone(
    _ frameCount: Int, _ request: FrameRequest
  ) -> UInt64? {
    let zone = withLock { state, _ in
      state.zone(dividedBy: request.limit.frameNumber)
    } external: {
      nil
    }
    guard let zone else { return nil }
    let lower = FrameRequest(
      isZeroed: request.isZeroed, below: PhysicalAddress(zone.start << 12),
      alignment: request.alignment, size: request.size)
    return search(frameCount, request, zone: zone.number) ?? allocateFromZones(frameCount, lower)
  }

  /// Searches one zone piece by piece. Between two pieces the lock is released, and interrupts are
  /// as the caller left them.
  private static func search(_ frameCount: Int, _ request: FrameRequest, zone: Int) -> UInt64? {
    let shape = FreeRunShape(frameCount, request)
    let limit = request.limit.frameNumber
    var search = withLock { state, _ in
      state.search(for: shape, limit: limit, zone: zone)
    } external: {
      nil
    }
    while search != nil {
      let progress = withLock { state, _ in
        let progress = search?.advance() ?? .exhausted
        if case .found(let number) = progress {
          state.allocateFree(number, frameCount: shape.frameCount)
        }
        return progress
      } external: {
        .exhausted
      }
      switch progress {
      case .found(let number): return number
      case .exhausted: return nil
      case .unfinished: continue
      }
    }
    return nil
  }
}

extension FrameAllocator {
  /// Sets the number of the first frame that is put into caches, when it is freed. Frames below
  /// belong to a scarcer zone, and return there, where a request with a limit finds them.
  static func cacheFrames(from number: UInt64) {
    // What is beyond the table has no slot; nothing is freed there.
    let slot = FrameTable.slot(number: min(number, FrameTable.frameCount)).bits
    // Ordering: relaxed; a preference.
    guard firstCachedSlot.load(ordering: .relaxed) != slot else { return }
    // Ordering: relaxed; as for the load.
    firstCachedSlot.store(slot, ordering: .relaxed)
  }

  /// Returns whether the frame of `slot`, which is free, is put into a cache.
  @inline(__always)
  static func isCached(_ slot: FrameSlotReference) -> Bool {
    // Ordering: relaxed; a preference.
    slot.bits >= firstCachedSlot.load(ordering: .relaxed)
  }
}

extension FreeRunShape {
  @inline(__always)
  init(_ frameCount: Int, _ request: FrameRequest) {
    self.init(frameCount: UInt64(frameCount), alignment: max(1, request.alignment >> 12))
  }
}
