internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// A stock of zeroed frames, allocated before a range is mapped so that mapping cannot fail half
/// way.
///
/// The frames are linked through their data. Destroying the stock frees those that are left.
struct ZeroedFrames: ~Copyable {
  private(set) var count = 0
  /// The address of the first frame, whose unique count the list holds; zero if it is empty.
  private var first: UInt64 = 0

  /// Allocates `count` frames that have no handle.
  ///
  /// - Throws: `OUT_OF_FRAMES`.
  init(count: UInt64) throws(APIError) {
    try check(count <= FrameTable.frameCount, TESSERA_ERROR_OUT_OF_FRAMES)
    for _ in 0..<count {
      do throws(FrameError) {
        var frame = try UniqueFrame(allocating: ClientFrame())
        frame.metadata.dropHandle()
        frame.metadata.data.0 = first
        first = frame.relinquish().rawValue
        self.count += 1
      } catch { throw APIError(error) }
    }
  }

  /// Removes a frame. Traps if none is left.
  mutating func next() -> Frame<ClientFrame> {
    var frame = pop()
    frame.metadata.data.0 = 0
    return frame.shared()
  }

  private mutating func pop() -> UniqueFrame<ClientFrame> {
    // SAFETY: the list holds the unique count of each of its frames.
    let frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
    first = frame.metadata.data.0
    count -= 1
    return frame
  }

  deinit {
    var first = first
    while first != 0 {
      // SAFETY: see `pop`.
      let frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
      first = frame.metadata.data.0
    }
  }
}
