internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// The regions of a kernel's configuration, and its image.
@safe
struct GivenRegions: MemoryRegionSource {
  /// Access: read only. The caller of the start lends it.
  private let regions: UnsafeBufferPointer<tessera_region>
  /// Where visible memory ends: usable memory beyond is left alone.
  private let visibleEnd: PhysicalAddress
  private let image: MemoryRegion

  /// The regions of `config`, which are there for as long as this is used.
  ///
  /// Refused with NULL, ARGUMENT, and MEMORY_MAP if a region wraps around or is of no known kind.
  @unsafe init(_ config: tessera_config) throws(APIError) {
    let count = Int(clamping: unsafe config.region_count)
    try check(count > 0, TESSERA_ERROR_INVALID_MEMORY_MAP)
    try check(count < 1 << 32, TESSERA_ERROR_INVALID_ARGUMENT)
    // SAFETY: the caller lends that many regions.
    unsafe regions = UnsafeBufferPointer(start: try check(config.regions), count: count)
    let end = unsafe config.direct_map_end
    visibleEnd = end == 0 ? .limit : PhysicalAddress(exactly: end & ~0xfff) ?? .limit
    let start = unsafe config.image_start
    let imageEnd = unsafe config.image_end
    guard start <= imageEnd,
      let image = MemoryRegion(start: start, byteCount: imageEnd - start, kind: .kernelImage)
    else { throw APIError(TESSERA_ERROR_INVALID_ARGUMENT) }
    self.image = image
    for index in 0..<count {
      // SAFETY: the index is in bounds.
      let region = unsafe regions[index]
      try check(region.reserved == 0, TESSERA_ERROR_INVALID_ARGUMENT)
      guard let kind = MemoryKind(numbered: region.kind),
        MemoryRegion(start: region.start, byteCount: region.length, kind: kind) != nil
      else { throw APIError(TESSERA_ERROR_INVALID_MEMORY_MAP) }
    }
  }

  func forEachRegion(_ body: (MemoryRegion) -> Void) {
    // SAFETY: the maker lent the regions, and the index is in bounds.
    for index in unsafe 0..<regions.count {
      // SAFETY: as above.
      let given = unsafe regions[index]
      guard let kind = MemoryKind(numbered: given.kind),
        let region = MemoryRegion(start: given.start, byteCount: given.length, kind: kind)
      else { continue }
      guard kind == .usable && region.end > visibleEnd else {
        body(region)
        continue
      }
      body(region.clamped(from: .zero, to: visibleEnd))
      let rest = region.clamped(from: visibleEnd, to: .limit)
      body(MemoryRegion(start: rest.start, end: rest.end, kind: .invisible))
    }
    body(image)
  }

  // SAFETY: only counts.
  var entryCount: Int { unsafe regions.count }

  /// How many whole frames of usable memory lie beyond the end of what is visible.
  var invisibleFrameCount: UInt64 {
    var count: UInt64 = 0
    // SAFETY: as in `forEachRegion`.
    for index in unsafe 0..<regions.count {
      // SAFETY: as above.
      let given = unsafe regions[index]
      guard given.kind == UInt32(TESSERA_USABLE),
        let region = MemoryRegion(start: given.start, byteCount: given.length, kind: .usable)
      else { continue }
      count += region.clamped(from: visibleEnd, to: .limit).byteCount / PageSize.fourKiB.byteCount
    }
    return count
  }
}
