package import TesseraFrames
package import TesseraHardware

extension Boot {
  /// Makes a slot for every frame below the end of what can be allocated, and frees what `map`
  /// calls usable to the built-in allocator.
  ///
  /// What `early` has allocated becomes metadata, and so does what this allocates from it: 64 bytes
  /// for each frame, and about one page for each eight processors. Low memory is unowned and can be
  /// claimed by address. Other memory of the map is permanently in use; holes are reserved. All
  /// memory of the map must be mapped in the direct map. Runs once, alone.
  ///
  /// - Throws: `outOfFrames` if there is no memory or the metadata does not fit; nothing has been
  ///   changed then.
  package static func startFrames<Source: MemoryRegionSource>(
    on map: MemoryMap<Source>, early: consuming EarlyAllocator, processorCount: Int
  ) throws(TesseraError) -> FrameTotals {
    let frameCount = map.endOfFrames.frameNumber
    guard frameCount > 0 else { throw .outOfFrames }
    let slots = try early.allocate(
      byteCount: frameCount * FrameSlot.byteCount, preferring: .mostRoom)
    let state = try early.allocate(
      byteCount: FrameAllocator.stateByteCount(processorCount: processorCount), alignment: 64)
    let final = map.adding(early.retire())

    // SAFETY: both were just allocated, 64-byte aligned, and are never freed.
    unsafe FrameTable.install(PhysicalMemory.pointer(to: slots), frameCount: frameCount)
    unsafe FrameAllocator.start(
      in: PhysicalMemory.pointer(to: state), processorCount: processorCount)
    return populate(final)
  }

  /// Like `startFrames(on:early:processorCount:)`, but allocates from the kernel's own `allocator`,
  /// which keeps all usable memory.
  ///
  /// The metadata is allocated first, in one piece. Traps if the allocator returns memory for it
  /// that is in use or not usable.
  package static func startFrames<Source: MemoryRegionSource>(
    on map: MemoryMap<Source>, from allocator: ExternalAllocator, processorCount: Int
  ) throws(TesseraError) -> FrameTotals {
    let frameCount = map.endOfFrames.frameNumber
    guard frameCount > 0 else { throw .outOfFrames }
    let slotByteCount = frameCount * FrameSlot.byteCount
    let metadata = try allocator.allocateMetadata(
      slotByteCount + FrameAllocator.stateByteCount(processorCount: processorCount), on: map)

    // SAFETY: the metadata was just allocated, whole usable frames, and is kept.
    unsafe FrameTable.install(PhysicalMemory.pointer(to: metadata.start), frameCount: frameCount)
    unsafe FrameAllocator.start(
      in: PhysicalMemory.pointer(to: metadata.start + slotByteCount),
      processorCount: processorCount, external: allocator)
    unsafe externalMetadata = metadata
    return populate(map.adding(metadata))
  }

  /// The memory that an external allocator returned for metadata.
  ///
  /// Access: written by `startFrames` and `undoFrames`, constant in between.
  nonisolated(unsafe) private static var externalMetadata: MemoryRegion?

  /// Undoes `startFrames`. The metadata is freed to the external `allocator`, if there is one. No
  /// frame is in use. Runs alone.
  package static func undoFrames(from allocator: ExternalAllocator?) {
    FrameAllocator.stop()
    FrameTable.remove()
    // SAFETY: nothing else runs.
    guard let allocator, let metadata = unsafe externalMetadata else { return }
    // SAFETY: nothing else runs.
    unsafe externalMetadata = nil
    allocator.free(metadata.start, metadata.byteCount / PageSize.fourKiB.byteCount)
  }

  /// Gives every frame below the end of memory the usage that `map` names.
  private static func populate<Source>(_ map: MemoryMap<Source>) -> FrameTotals {
    var totals = FrameTotals()
    var previousEnd = PhysicalAddress.zero
    map.forEachRegion { region in
      let part = region.clamped(from: .zero, to: FrameTable.end)
      guard !part.isEmpty else { return }
      FrameTable.reserve(from: previousEnd, to: part.start, for: .reserved)
      totals.add(frameCount: part.start.frameNumber - previousEnd.frameNumber, kind: nil)
      switch part.kind {
      case .usable: FrameAllocator.donate(from: part.start, to: part.end)
      case .lowMemory: break
      default: FrameTable.reserve(from: part.start, to: part.end, for: part.kind.frameUsage)
      }
      totals.add(frameCount: part.end.frameNumber - part.start.frameNumber, kind: part.kind)
      previousEnd = part.end
    }
    return totals
  }
}
