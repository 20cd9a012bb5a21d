public import TesseraFrames
internal import TesseraHardware

/// The start of Tessera.
public enum Boot {
  /// Takes over all memory of `map`: makes a slot for every frame, marks what is in use already,
  /// and gives the rest to the allocator.
  ///
  /// `early` may have been used before; what it gave out is marked as metadata, and so is what this
  /// takes from it: 64 bytes for each frame below the end of memory, and about one page for each
  /// eight processors. Low memory is kept back: nobody's, to be claimed by address. The rest of
  /// what the map names is in use for good; holes are reserved. All memory of the map must be
  /// visible through the window. Runs once, alone. Throws `outOfFrames` if there is no memory or
  /// the records do not fit; nothing has been changed then, and the memory is as it was.
  public static func start<Source: MemoryRegionSource>(
    on map: MemoryMap<Source>, early: consuming EarlyAllocator, processorCount: Int
  ) throws(FrameError) -> FrameTotals {
    let frameCount = map.endOfMemory.frameNumber
    guard frameCount > 0 else { throw .outOfFrames }
    let slots = try early.allocate(
      byteCount: frameCount * FrameSlot.byteCount, preferring: .mostRoom)
    let state = try early.allocate(
      byteCount: FrameAllocator.stateByteCount(processorCount: processorCount), alignment: 64)
    let final = map.adding(early.retire())

    // SAFETY: both were just allocated, aligned to at least 64, and are not given back.
    unsafe FrameTable.install(PhysicalMemory.pointer(to: slots), frameCount: frameCount)
    unsafe FrameAllocator.start(
      in: PhysicalMemory.pointer(to: state), processorCount: processorCount)
    return populate(final)
  }

  /// As `start(on:early:processorCount:)`, but all memory comes from the kernel's own `allocator`,
  /// and goes back there.
  ///
  /// The records come from there first, in one piece. Everything else that is usable stays the
  /// allocator's, or that of whoever has it from there, and is not touched. Traps if memory that
  /// the allocator gives is not usable, or in use.
  public static func start<Source: MemoryRegionSource>(
    on map: MemoryMap<Source>, from allocator: ExternalAllocator, processorCount: Int
  ) throws(FrameError) -> FrameTotals {
    let frameCount = map.endOfMemory.frameNumber
    guard frameCount > 0 else { throw .outOfFrames }
    let slotByteCount = frameCount * FrameSlot.byteCount
    let records = try allocator.takeRecords(
      slotByteCount + FrameAllocator.stateByteCount(processorCount: processorCount), on: map)

    // SAFETY: the records were just given, whole frames that are usable, and are kept.
    unsafe FrameTable.install(PhysicalMemory.pointer(to: records.start), frameCount: frameCount)
    unsafe FrameAllocator.start(
      in: PhysicalMemory.pointer(to: records.start + slotByteCount),
      processorCount: processorCount, external: allocator)
    unsafe givenRecords = records
    return populate(map.adding(records))
  }

  /// What the kernel's allocator gave for the records.
  ///
  /// Access: written by `start` and `undoStart`, constant in between.
  nonisolated(unsafe) private static var givenRecords: MemoryRegion?

  /// Undoes a start on memory of the kernel's `allocator`, after which nothing was done, or all of
  /// it was undone: the records go back. Runs alone.
  package static func undoStart(from allocator: ExternalAllocator) {
    // SAFETY: nothing else runs.
    guard let records = unsafe givenRecords else { return }
    FrameAllocator.stop()
    FrameTable.remove()
    // SAFETY: as above.
    unsafe givenRecords = nil
    allocator.free(records.start, records.byteCount / PageSize.fourKiB.byteCount)
  }

  /// Marks every frame below the end of memory as what `map` says of it.
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
