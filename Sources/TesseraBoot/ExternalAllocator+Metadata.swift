internal import TesseraFrames
internal import TesseraHardware

extension ExternalAllocator {
  /// Takes memory for `byteCount` bytes of records, when there are no slots yet: whole frames of
  /// one usable region of `map`. Throws `outOfFrames`. Traps if the answer is anything else.
  func takeRecords<Source>(
    _ byteCount: UInt64, on map: MemoryMap<Source>
  ) throws(FrameError) -> MemoryRegion {
    let frameCount = (byteCount + PageSize.fourKiB.byteCount - 1) / PageSize.fourKiB.byteCount
    guard let first = allocate(frameCount, .uninitialized, below: map.endOfMemory) else {
      throw .outOfFrames
    }
    let records = MemoryRegion(
      start: first, end: first + frameCount * PageSize.fourKiB.byteCount, kind: .metadata)
    // What is between two regions is a hole.
    var position = records.start
    map.forEachRegion { region in
      guard position < records.end, position < region.end else { return }
      if position < region.start { Self.refuse(.reserved, at: position) }
      if region.kind != .usable { Self.refuse(region.kind.frameUsage, at: position) }
      position = region.end
    }
    return records
  }
}
