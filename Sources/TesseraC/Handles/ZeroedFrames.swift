internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

/// A stock of zeroed frames, allocated before a range is mapped so that mapping cannot fail half
/// way.
///
/// The frames are linked through their data. Destroying the stock frees those that are left.
struct ZeroedFrames: ~Copyable {
  private(set) var count = 0
  /// The address of the first frame, whose unique count the list holds; zero if it is empty.
  private var first: UInt64 = 0
  /// The address of the frame that `nextKept` returned last, of which the list holds a reference;
  /// zero if there is none.
  private var kept: UInt64 = 0

  /// Allocates `count` frames that have no handle, or none if there are not as many.
  ///
  /// - Throws: `OUT_OF_FRAMES`.
  init(count: UInt64) throws(APIError) {
    try check(count <= NodePool.availableFrameCount, TESSERA_ERROR_OUT_OF_FRAMES)
    for _ in 0..<count {
      do throws(TesseraError) {
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

  /// As `next`, but keeps a reference to the frame, and a list of these frames.
  mutating func nextKept() -> Frame<ClientFrame> {
    var unique = pop()
    unique.metadata.data.0 = kept
    let frame = unique.shared()
    kept = frame.share().relinquish().rawValue
    return frame
  }

  /// Removes the frame that `nextKept` returned last, which then has its data to itself; nil if
  /// there is none.
  mutating func takeKept() -> Frame<ClientFrame>? {
    guard kept != 0 else { return nil }
    // SAFETY: the list holds a reference of each of its frames.
    let frame = unsafe Frame<ClientFrame>(adopting: PhysicalAddress(kept))
    kept = ClientFrameReference.takeLink(of: frame)
    return frame
  }

  private mutating func pop() -> UniqueFrame<ClientFrame> {
    // SAFETY: the list holds the unique count of each of its frames.
    let frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
    first = frame.metadata.data.0
    count -= 1
    return frame
  }

  deinit {
    var kept = kept
    while kept != 0 {
      // SAFETY: see `takeKept`.
      let frame = unsafe Frame<ClientFrame>(adopting: PhysicalAddress(kept))
      kept = ClientFrameReference.takeLink(of: frame)
    }
    var first = first
    while first != 0 {
      // SAFETY: see `pop`.
      let frame = unsafe UniqueFrame<ClientFrame>(adopting: PhysicalAddress(first))
      first = frame.metadata.data.0
    }
  }
}
