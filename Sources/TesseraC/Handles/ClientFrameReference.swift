internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// A frame that was found to be a client's. Who passes the frame's address keeps it from being
/// freed meanwhile.
@safe
struct ClientFrameReference {
  let slot: FrameSlotReference

  /// Finds the frame at `frame`.
  ///
  /// - Throws: `NOT_STARTED`, `NOT_ALIGNED`, `OUT_OF_BOUNDS`, `NO_HANDLE` if it is free, and
  ///   `NOT_CLIENT`.
  init(_ frame: tessera_frame) throws(APIError) {
    try Start.checkStarted()
    guard let address = PhysicalAddress(exactly: frame) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(TesseraError) {
      slot = try FrameTable.slot(at: address)
    } catch { throw APIError(error) }
    let kind = slot.kind
    try check(!kind.isPermanent && kind.usage != .tail, TESSERA_ERROR_NOT_CLIENT)
    try check(ReferenceCount.isShared(slot.count), TESSERA_ERROR_NO_HANDLE)
    try check(kind.hasSameMetadata(as: .of(ClientFrame.self)), TESSERA_ERROR_NOT_CLIENT)
  }

  private init(_ slot: FrameSlotReference) { self.slot = slot }

  var address: PhysicalAddress { slot.address }
  var size: PageSize { slot.kind.size }

  @unsafe private var metadata: UnsafeMutablePointer<ClientFrame> {
    // SAFETY: the kind says so.
    unsafe slot.storage(as: ClientFrame.self)
  }

  /// The kernel's own data: the first bytes of the metadata.
  @unsafe var data: UnsafeMutableRawPointer { unsafe UnsafeMutableRawPointer(metadata) }

  /// How many handles the frame has. It may be stale.
  var handleCount: UInt64 {
    // SAFETY: the frame is in use, so its metadata is there.
    // Ordering: relaxed; a statistic.
    unsafe metadata.pointee.handles.load(ordering: .relaxed)
  }

  /// Takes over the reference of one handle.
  ///
  /// - Throws: `NO_HANDLE` if the frame has none.
  func takeHandle() throws(APIError) -> Frame<ClientFrame> {
    // SAFETY: the frame is in use, so its metadata is there.
    let handles = unsafe metadata
    // Ordering: relaxed; dropping the reference orders the accesses.
    var count = unsafe handles.pointee.handles.load(ordering: .relaxed)
    while true {
      try check(count > 0, TESSERA_ERROR_NO_HANDLE)
      // Ordering: relaxed; see above.
      let (isDone, seen) = unsafe handles.pointee.handles.weakCompareExchange(
        expected: count, desired: count - 1, ordering: .relaxed)
      if isDone { break }
      count = seen
    }
    // SAFETY: each counted handle holds one reference.
    return unsafe Frame(adopting: slot)
  }

  /// Returns the first word of the data of `frame`, which a list put there, and makes it zero.
  static func takeLink(of frame: borrowing Frame<ClientFrame>) -> UInt64 {
    // SAFETY: the reference keeps the frame in use, and the kernel does not know the frame yet.
    let data = unsafe ClientFrameReference(frame.slot).metadata
    defer { unsafe data.pointee.data.0 = 0 }
    return unsafe data.pointee.data.0
  }

  /// Makes a handle of the reference that `frame` holds.
  static func addHandle(_ frame: consuming Frame<ClientFrame>) {
    let reference = ClientFrameReference(frame.relinquishSlot())
    // SAFETY: the reference keeps the frame in use.
    // Ordering: relaxed; see `takeHandle`.
    unsafe reference.metadata.pointee.handles.wrappingAdd(1, ordering: .relaxed)
  }
}

/// A frame that a function looks up before it locks a range, whose length depends on the frame. An
/// error is reported after those of the range.
struct FrameLookup {
  private let result: Result<ClientFrameReference, APIError>

  @inline(__always)
  init(_ frame: tessera_frame) {
    do throws(APIError) {
      result = .success(try ClientFrameReference(frame))
    } catch {
      result = .failure(error)
    }
  }

  /// The size of the frame; if there is none, that of the smallest.
  @inline(__always)
  var byteCount: UInt64 {
    if case .success(let frame) = result { frame.size.byteCount } else { 4096 }
  }

  @inline(__always)
  func found() throws(APIError) -> ClientFrameReference { try result.get() }
}
