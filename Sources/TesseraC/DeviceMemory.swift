internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// Memory without reference counts: devices, firmware, and memory reserved at the start.
enum DeviceMemory {
  /// Returns the region of `byteCount` bytes at `target`.
  ///
  /// - Throws: NOT_ALIGNED; OUT_OF_BOUNDS beyond the physical address width; IN_USE if a part of it
  ///   is allocatable memory or metadata.
  static func find(_ target: UInt64, _ byteCount: UInt64) throws(APIError) -> MemoryRegion {
    try check(target % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let region = MemoryRegion(start: target, byteCount: byteCount, kind: .reserved),
      region.end <= PagingMode.current.physicalAddressLimit
    else { throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS) }
    var number = region.start.frameNumber
    while number < min(region.end.frameNumber, FrameTable.frameCount) {
      try check(
        FrameTable.slot(number: number).kind.isMappableAsDevice, TESSERA_ERROR_IN_USE)
      number += 1
    }
    return region
  }
}

extension FrameKind {
  /// Whether frames of this kind are neither allocatable nor metadata.
  fileprivate var isMappableAsDevice: Bool {
    switch usage {
    case .reserved, .kernel: true
    default: false
    }
  }
}
