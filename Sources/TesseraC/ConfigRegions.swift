internal import TesseraBoot
internal import TesseraHardware
internal import TesseraHeader

/// The regions of a `tessera_config`.
@safe
struct ConfigRegions: MemoryRegionSource {
  /// Access: read only. Lent by the caller of `tessera_start`.
  private let regions: UnsafeBufferPointer<tessera_region>

  /// The regions of `config`, which stay in place for as long as this is used.
  ///
  /// Fails with INVALID_POINTER, INVALID_ARGUMENT, and INVALID_MEMORY_MAP if a region wraps around
  /// or its kind is unknown.
  @unsafe init(_ config: tessera_config) throws(APIError) {
    let count = Int(clamping: unsafe config.region_count)
    try check(count > 0, TESSERA_ERROR_INVALID_MEMORY_MAP, "region_count is zero")
    try check(
      count < 1 << 32, TESSERA_ERROR_INVALID_ARGUMENT, "region_count is more than 2^32 - 1")
    StartError.note("regions is null or not aligned")
    // SAFETY: the caller lends that many regions.
    unsafe regions = UnsafeBufferPointer(start: try check(config.regions), count: count)
    for index in 0..<count {
      // SAFETY: the index is in bounds.
      let region = unsafe regions[index]
      let number = UInt64(index)
      try check(
        region.reserved == 0, TESSERA_ERROR_INVALID_ARGUMENT,
        "the field reserved of a region is not zero", number)
      try check(
        MemoryKind(numbered: region.kind) != nil, TESSERA_ERROR_INVALID_MEMORY_MAP,
        "the kind of a region is unknown", number)
      try check(
        MemoryRegion(region) != nil, TESSERA_ERROR_INVALID_MEMORY_MAP,
        "a region extends beyond 2^52", number)
    }
  }

  func forEachRegion(_ body: (MemoryRegion) -> Void) {
    // SAFETY: the caller's promise; the index is in bounds.
    for index in unsafe 0..<regions.count {
      // SAFETY: the caller's promise; the index is in bounds.
      if let region = unsafe MemoryRegion(regions[index]) { body(region) }
    }
  }

  // SAFETY: reads the count only.
  var entryCount: Int { unsafe regions.count }
}

extension MemoryRegion {
  /// Nil if `region` wraps around or its kind is unknown.
  fileprivate init?(_ region: tessera_region) {
    guard let kind = MemoryKind(numbered: region.kind) else { return nil }
    self.init(start: region.start, byteCount: region.length, kind: kind)
  }
}
