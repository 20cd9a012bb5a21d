internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// A frame that was found to be a client's. Whoever names it vouches that it is not freed
/// meanwhile.
@safe
struct ClientFrameReference {
  let slot: FrameSlotReference

  /// The frame at `frame`. Refused with NOT_STARTED, NOT_ALIGNED, OUT_OF_BOUNDS, NO_HANDLE if it is
  /// free, and NOT_CLIENTS.
  init(_ frame: tessera_frame) throws(APIError) {
    try Start.checkStarted()
    guard let address = PhysicalAddress(exactly: frame) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(FrameError) { slot = try FrameTable.slot(at: address) } catch {
      throw APIError(error)
    }
    let kind = slot.kind
    try check(!kind.isPermanent && kind.usage != .tail, TESSERA_ERROR_NOT_CLIENT)
    try check(ReferenceCount.isShared(slot.count), TESSERA_ERROR_NO_HANDLE)
    try check(kind.hasSameMetadata(as: .of(ClientFrame.self)), TESSERA_ERROR_NOT_CLIENT)
  }

  var address: PhysicalAddress { slot.address }
  var size: PageSize { slot.kind.size }

  /// The metadata, where it lies.
  @unsafe var metadata: UnsafeMutablePointer<ClientFrame> {
    // SAFETY: the kind says so.
    unsafe slot.storage(as: ClientFrame.self)
  }

  /// How many handles are out.
  var handleCount: UInt64 {
    // SAFETY: the frame is in use, so its metadata is there.
    // Ordering: relaxed; a number to look at.
    unsafe metadata.pointee.handles.load(ordering: .relaxed)
  }

  /// Takes one handle away, whose share is now the caller's. Refused with NO_HANDLE if none is out.
  func takeHandle() throws(APIError) -> Frame<ClientFrame> {
    // SAFETY: the frame is in use, so its metadata is there.
    let handles = unsafe metadata
    // Ordering: relaxed; the count of owners, which follows, does the ordering.
    var count = unsafe handles.pointee.handles.load(ordering: .relaxed)
    while true {
      try check(count > 0, TESSERA_ERROR_NO_HANDLE)
      // Ordering: relaxed; see above.
      let (isDone, seen) = unsafe handles.pointee.handles.weakCompareExchange(
        expected: count, desired: count - 1, ordering: .relaxed)
      if isDone { break }
      count = seen
    }
    // SAFETY: each handle that was counted holds one count of the frame.
    return unsafe Frame(adopting: slot)
  }

  /// Gives a handle out that holds the share of `frame`.
  static func giveHandle(_ frame: consuming Frame<ClientFrame>) {
    let reference = ClientFrameReference(frame.relinquishSlot())
    // SAFETY: the share that the handle is given keeps the frame in use.
    // Ordering: relaxed; see `takeHandle`.
    unsafe reference.metadata.pointee.handles.wrappingAdd(1, ordering: .relaxed)
  }

  private init(_ slot: FrameSlotReference) { self.slot = slot }
}
