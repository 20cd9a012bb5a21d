internal import TesseraFrames
internal import TesseraHardware

/// Frames that were allocated without a handle, and are freed unless they were claimed.
struct RawAllocation: ~Copyable {
  let address: PhysicalAddress
  let frameCount: Int
  private var isForgotten = false

  /// Bit n is set if frame n was freed by itself.
  private var freedFrames: UInt64 = 0

  init(_ frameCount: Int = 1, _ request: FrameRequest = .uninitialized) throws(TesseraError) {
    address = try FrameAllocator.allocate(frameCount, request)
    self.frameCount = frameCount
  }

  /// The byte after the last.
  var end: PhysicalAddress { frame(frameCount) }

  /// The first byte of the frame at `index`.
  func frame(_ index: Int) -> PhysicalAddress { address + UInt64(index) * 4096 }

  /// Frees one of the first 64 frames by itself, once.
  mutating func free(at index: Int) {
    freedFrames |= 1 << UInt64(index)
    FrameAllocator.free(frame(index))
  }

  /// Leaves the frames to their new owner.
  mutating func forget() { isForgotten = true }

  deinit {
    if isForgotten { return }
    guard freedFrames != 0 else { return FrameAllocator.free(address, frameCount) }
    for index in 0..<frameCount where index >= 64 || freedFrames >> UInt64(index) & 1 == 0 {
      FrameAllocator.free(frame(index))
    }
  }
}
