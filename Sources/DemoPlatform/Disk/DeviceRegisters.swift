internal import CBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

/// Registers of a device in physical memory, mapped uncached for as long as this value lives.
///
/// An offset is that of a register in bytes, and a multiple of its size.
struct DeviceRegisters: ~Copyable {
  private let mapping: KernelMapping
  /// The virtual address of the first register.
  private let start: UInt64
  private let byteCount: UInt64

  /// Maps the `byteCount` bytes at the physical `address`, which are not zero.
  ///
  /// - Throws: `registersElsewhere` if a part of them is memory of the kernel's, or beyond what the
  ///   processor can address; `noMemory`.
  init(at address: UInt64, byteCount: UInt64) throws(DiskError) {
    let first = address & ~4095
    let (last, isTooFar) = address.addingReportingOverflow(byteCount - 1)
    let limit = PagingMode.current.physicalAddressLimit.rawValue
    guard !isTooFar, last < limit, let page = PhysicalAddress(exactly: first) else {
      throw .registersElsewhere
    }
    var number = page.frameNumber
    while number <= last >> 12, number < FrameTable.frameCount {
      if !FrameTable.slot(number: number).kind.isOutsideAllocators { throw .registersElsewhere }
      number += 1
    }
    do throws(TesseraError) {
      // SAFETY: the device has its registers there, and nothing else does.
      mapping = try unsafe KernelMapping(device: page, byteCount: (last | 4095) + 1 - first)
    } catch { throw .noMemory }
    start = mapping.address.rawValue + (address - first)
    self.byteCount = byteCount
  }

  func byte(at offset: UInt64) -> UInt8 { boot_read_device8(place(offset, 1)) }
  func halfWord(at offset: UInt64) -> UInt16 { boot_read_device16(place(offset, 2)) }
  func word(at offset: UInt64) -> UInt32 { boot_read_device(place(offset, 4)) }

  func setByte(_ value: UInt8, at offset: UInt64) { boot_write_device8(place(offset, 1), value) }
  func setHalfWord(_ value: UInt16, at offset: UInt64) {
    boot_write_device16(place(offset, 2), value)
  }
  func setWord(_ value: UInt32, at offset: UInt64) { boot_write_device(place(offset, 4), value) }

  /// Stores a number of 64 bits in two accesses, the lower half first.
  func setDoubleWord(_ value: UInt64, at offset: UInt64) {
    setWord(UInt32(truncatingIfNeeded: value), at: offset)
    setWord(UInt32(truncatingIfNeeded: value >> 32), at: offset + 4)
  }

  /// Returns a number of 64 bits, read in two accesses.
  func doubleWord(at offset: UInt64) -> UInt64 {
    UInt64(word(at: offset)) | UInt64(word(at: offset + 4)) << 32
  }

  /// The virtual address of the two bytes at `offset`, which stays valid while this value lives.
  func place(of offset: UInt64) -> UInt64 { place(offset, 2) }

  private func place(_ offset: UInt64, _ width: UInt64) -> UInt64 {
    require(
      offset % width == 0 && offset < byteCount && width <= byteCount - offset,
      "a register is outside of its device")
    return start + offset
  }
}
