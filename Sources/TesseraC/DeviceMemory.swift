internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraSpaces

/// Memory without reference counts: devices, firmware, and memory reserved at the start.
enum DeviceMemory {
  /// Returns the region of `byteCount` bytes at `target`.
  ///
  /// - Throws: NOT_ALIGNED; OUT_OF_BOUNDS beyond the physical address width; IN_USE if a part of it
  ///   is allocatable memory, metadata, or a loader's table that the kernel half uses.
  static func find(_ target: UInt64, _ byteCount: UInt64) throws(APIError) -> MemoryRegion {
    try check(target % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_NOT_ALIGNED)
    guard let region = MemoryRegion(start: target, byteCount: byteCount, kind: .reserved),
      region.end <= PagingMode.current.physicalAddressLimit
    else { throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS) }
    var number = region.start.frameNumber
    var hasKernelMemory = false
    while number < min(region.end.frameNumber, FrameTable.frameCount) {
      let kind = FrameTable.slot(number: number).kind
      try check(kind.isOutsideAllocators, TESSERA_ERROR_IN_USE)
      hasKernelMemory = hasKernelMemory || kind.usage == .kernel
      number += 1
    }
    if hasKernelMemory {
      try check(!KernelSpace.usesTable(in: region.start..<region.end), TESSERA_ERROR_IN_USE)
    }
    return region
  }
}
