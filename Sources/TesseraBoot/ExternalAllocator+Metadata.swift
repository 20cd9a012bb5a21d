internal import TesseraFrames
internal import TesseraHardware

extension ExternalAllocator {
  /// Allocates whole frames for `byteCount` bytes of metadata before there are slots.
  ///
  /// Throws `outOfFrames`. Traps if a frame is not usable memory of `map`.
  func allocateMetadata<Source>(
    _ byteCount: UInt64, on map: MemoryMap<Source>
  ) throws(TesseraError) -> MemoryRegion {
    let frameCount = (byteCount + PageSize.fourKiB.byteCount - 1) / PageSize.fourKiB.byteCount
    guard let first = allocate(frameCount, .uninitialized, below: map.endOfFrames) else {
      throw .outOfFrames
    }
    let metadata = MemoryRegion(
      start: first, end: first + frameCount * PageSize.fourKiB.byteCount, kind: .metadata)
    var position = metadata.start
    map.forEachRegion { region in
      guard position < metadata.end, position < region.end else { return }
      // Between two regions is a hole, which is reserved.
      if position < region.start { Self.reject(.reserved, at: position) }
      if region.kind != .usable { Self.reject(region.kind.frameUsage, at: position) }
      position = region.end
    }
    return metadata
  }
}
