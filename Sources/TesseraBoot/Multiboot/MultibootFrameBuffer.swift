internal import TesseraHardware

/// The place of the frame buffer that the loader has set up.
struct MultibootFrameBuffer {
  let start: UInt64
  let byteCount: UInt64

  static var none: MultibootFrameBuffer { MultibootFrameBuffer(start: 0, byteCount: 0) }

  private init(start: UInt64, byteCount: UInt64) {
    self.start = start
    self.byteCount = byteCount
  }

  /// Reads the address, the bytes per line, and the number of lines, which both versions store
  /// alike at `address`.
  ///
  /// Throws `badFrameBuffer(address:)` if it extends beyond 2^52.
  init<Memory: BootMemory>(at address: UInt64, in memory: Memory) throws(MultibootError) {
    start = try memory.doubleWord(at: address)
    byteCount = UInt64(try memory.word(at: address + 8)) * UInt64(try memory.word(at: address + 16))
    if region == nil { throw .badFrameBuffer(address: start) }
  }

  /// Nil if it extends beyond 2^52. It belongs to a device, or to its firmware.
  var region: MemoryRegion? {
    MemoryRegion(start: start, byteCount: byteCount, kind: .reserved)
  }
}
