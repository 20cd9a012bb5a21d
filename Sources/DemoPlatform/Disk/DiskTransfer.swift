internal import TesseraHardware

/// What a request asks of a disk.
struct DiskTransfer {
  let operation: Disk.Operation
  let firstSector: UInt64
  let byteCount: UInt64
  let address: PhysicalAddress

  static var sectorByteCount: UInt64 { 512 }
  static var greatestByteCount: UInt64 { 1 << 30 }

  init(
    _ operation: Disk.Operation, firstSector: UInt64, byteCount: UInt64,
    at address: PhysicalAddress
  ) {
    require(
      operation == .flush || (byteCount > 0 && byteCount % Self.sectorByteCount == 0),
      "a request of a disk is not a number of sectors")
    require(byteCount <= Self.greatestByteCount, "a request of a disk is larger than 1 GiB")
    self.operation = operation
    self.firstSector = firstSector
    self.byteCount = byteCount
    self.address = address
  }

  /// Whether all of its sectors are among the first `sectorCount`.
  func isInside(_ sectorCount: UInt64) -> Bool {
    let count = byteCount / Self.sectorByteCount
    return count <= sectorCount && firstSector <= sectorCount - count
  }
}
