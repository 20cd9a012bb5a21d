@_exported public import TesseraFrames
@_exported public import TesseraHardware
@_exported public import TesseraPageTables
@_exported public import TesseraSpaces

/// Tessera's version and its start.
public enum Tessera {
  /// The version, as "major.minor.patch".
  public static var version: StaticString { "0.1.0" }

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
      case .bootInformation, .module, .kernelImage:
        FrameTable.reserve(from: part.start, to: part.end, for: .kernel)
      case .metadata: FrameTable.reserve(from: part.start, to: part.end, for: .metadata)
      case .acpiReclaimable, .acpiNonVolatile, .invisible, .reserved, .defective:
        FrameTable.reserve(from: part.start, to: part.end, for: .reserved)
      }
      totals.add(frameCount: part.end.frameNumber - part.start.frameNumber, kind: part.kind)
      previousEnd = part.end
    }
    return totals
  }
}
