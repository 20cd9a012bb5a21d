internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// Frames filled with zeros that wait to be mapped, so that mapping them cannot fail half way.
///
/// Each remembers the next one in its data. Destroying this frees those that are left.
struct FreshFrames: ~Copyable {
  /// How many there are.
  private(set) var count = 0
  /// The address of the first, of which a unique count is held; zero if there is none.
  private var first: UInt64 = 0

  /// Allocates `count` frames. Refused with OUT_OF_FRAMES.
  init(count: UInt64) throws(APIError) {
    try check(count <= FrameTable.frameCount, TESSERA_ERROR_OUT_OF_FRAMES)
    for _ in 0..<count {
      do throws(FrameError) {
        var frame = try UniqueFrame(allocating: ClientFrame())
        frame.metadata.takeOut()
        frame.metadata.data.0 = first
        first = frame.relinquish().rawValue
        self.count += 1
      } catch { throw APIError(error) }
    }
  }

  /// Takes one of them. There is one.
  mutating func next() -> Frame<ClientFrame> {
    // SAFETY: the chain holds the unique count of each of its frames.
    var frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
    first = frame.metadata.data.0
    frame.metadata.data.0 = 0
    count -= 1
    return frame.shared()
  }

  deinit {
    var first = first
    while first != 0 {
      // SAFETY: as above.
      let frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
      first = frame.metadata.data.0
    }
  }
}
