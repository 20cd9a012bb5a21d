internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// Memory that has no owners: a device's, the firmware's, or what was kept at the start.
enum DeviceMemory {
  /// The `byteCount` bytes from `target` on.
  ///
  /// Refused with NOT_ALIGNED, OUT_OF_BOUNDS beyond what the processor can address, and IN_USE if a
  /// part of it is memory that Tessera hands out or keeps records in.
  static func find(_ target: UInt64, _ byteCount: UInt64) throws(APIError) -> MemoryRegion {
    try check(target % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let region = MemoryRegion(start: target, byteCount: byteCount, kind: .reserved),
      region.end <= PagingMode.current.physicalAddressLimit
    else { throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS) }
    var number = region.start.frameNumber
    while number < min(region.end.frameNumber, FrameTable.frameCount) {
      try check(
        FrameTable.slot(number: number).kind.mayBeShown, TESSERA_ERROR_IN_USE)
      number += 1
    }
    return region
  }
}

extension FrameKind {
  /// Whether frames of this kind are no client's to own, and no records of Tessera's.
  fileprivate var mayBeShown: Bool {
    switch usage {
    case .reserved, .kernel: true
    default: false
    }
  }
}
