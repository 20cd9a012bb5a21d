// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_allocate(_ frame: UnsafeMutablePointer<tessera_frame>?) -> tessera_result {
  status { () throws(Refusal) in
    try Start.demandDone()
    let frame = unsafe try demand(frame)
    // SAFETY: the caller lends it.
    unsafe frame.pointee = try allocate(FrameRequest(), .none)
  }
}

@c @implementation @unsafe
public func tessera_allocate_as(
  _ request: UnsafePointer<tessera_request>?, _ frame: UnsafeMutablePointer<tessera_frame>?
) -> tessera_result {
  status { () throws(Refusal) in
    try Start.demandDone()
    // SAFETY: the caller lends both.
    let request = unsafe try demand(request).pointee
    let frame = unsafe try demand(frame)
    // SAFETY: the header says when the function is called.
    let onFree = unsafe FreeFunction(request.on_free)
    try demand(
      request.size == UInt64(MemoryLayout<tessera_request>.size), TESSERA_ERROR_SIZE)
    let wanted = try FrameRequest(request)
    try demand(request.count < 1 << 40, TESSERA_ERROR_OUT_OF_FRAMES)
    let count = max(1, Int(request.count))
    try demand(count == 1 || wanted.size == .fourKiB, TESSERA_ERROR_ARGUMENT)
    // SAFETY: as above.
    unsafe frame.pointee =
      count == 1
      ? try allocate(wanted, onFree)
      : try allocate(run: count, wanted, onFree)
  }
}

/// Allocates a frame with one handle.
private func allocate(
  _ request: FrameRequest, _ onFree: FreeFunction
) throws(Refusal) -> tessera_frame {
  do throws(FrameError) {
    return try Frame(allocating: ClientFrame(onFree: onFree), request).relinquish().rawValue
  } catch { throw Refusal(error) }
}

/// Allocates `count` frames that follow each other, with one handle each.
private func allocate(
  run count: Int, _ request: FrameRequest, _ onFree: FreeFunction
) throws(Refusal) -> tessera_frame {
  do throws(FrameError) {
    let segment = try Segment<ClientFrame>(allocating: count, request) { _ in
      ClientFrame(onFree: onFree)
    }
    return segment.relinquishFirst().address.rawValue
  } catch { throw Refusal(error) }
}

extension FrameRequest {
  /// What the header's `request` asks of a frame. Refused with ARGUMENT.
  fileprivate init(_ request: tessera_request) throws(Refusal) {
    guard let size = PageSize(byteCount: request.frame_size == 0 ? 4096 : request.frame_size),
      request.flags & ~UInt64(TESSERA_NO_ZERO) == 0
    else { throw Refusal(TESSERA_ERROR_ARGUMENT) }
    let alignment = request.alignment == 0 ? size.byteCount : request.alignment
    try demand(alignment & (alignment - 1) == 0, TESSERA_ERROR_ARGUMENT)
    try demand(alignment <= 1 << 40, TESSERA_ERROR_OUT_OF_FRAMES)
    self.init(
      isZeroed: request.flags & UInt64(TESSERA_NO_ZERO) == 0,
      below: request.limit == 0 ? .limit : PhysicalAddress(exactly: request.limit) ?? .limit,
      alignment: max(alignment, size.byteCount), size: size)
  }
}

extension PageSize {
  /// The size of `byteCount` bytes, or nil if there is none.
  init?(byteCount: UInt64) {
    switch byteCount {
    case PageSize.fourKiB.byteCount: self = .fourKiB
    case PageSize.twoMiB.byteCount: self = .twoMiB
    case PageSize.oneGiB.byteCount: self = .oneGiB
    default: return nil
    }
  }
}

@c @implementation
public func tessera_share(_ frame: tessera_frame) -> tessera_result {
  status { () throws(Refusal) in
    let reference = try ClientFrameReference(frame)
    do throws(FrameError) {
      let shared = try AnyFrame(sharing: reference.address)
      // SAFETY: the metadata is a client's, as was seen, and stays so while it is shared.
      ClientFrameReference.giveHandle(unsafe Frame<ClientFrame>(adopting: shared.relinquishSlot()))
    } catch { throw Refusal(error) }
  }
}

@c @implementation
public func tessera_drop(_ frame: tessera_frame) -> tessera_result {
  status { () throws(Refusal) in _ = try ClientFrameReference(frame).takeHandle() }
}

@c @implementation
public func tessera_drop_run(_ first: tessera_frame, _ count: UInt64) -> tessera_result {
  status { () throws(Refusal) in
    _ = try takeRun(first, count)
  }
}

/// Takes one handle of each of `count` frames of 4 KiB from `first` on, or of none. Refused as
/// `ClientFrameReference`, with NO_HANDLE, and with EMPTY.
func takeRun(_ first: tessera_frame, _ count: UInt64) throws(Refusal) -> Segment<ClientFrame> {
  try Start.demandDone()
  try demand(count > 0, TESSERA_ERROR_EMPTY)
  try demand(count <= FrameTable.frameCount, TESSERA_ERROR_OUT_OF_BOUNDS)
  let head = try ClientFrameReference(first)
  for index in 0..<count {
    do throws(Refusal) {
      let reference = try ClientFrameReference(first + index * PageSize.fourKiB.byteCount)
      try demand(reference.size == .fourKiB, TESSERA_ERROR_ARGUMENT)
      _ = try reference.takeHandle().relinquish()
    } catch {
      for earlier in 0..<index {
        // SAFETY: the handle that was taken away above.
        ClientFrameReference.giveHandle(
          unsafe Frame(adopting: head.slot.advanced(by: Int(earlier))))
      }
      throw error
    }
  }
  // SAFETY: the loop took the share of one handle of each.
  return unsafe Segment(adopting: head.slot, frameCount: Int(count))
}

/// Gives the handles of all frames of `segment` out again.
func giveRun(_ segment: consuming Segment<ClientFrame>) {
  var segment = segment
  while let frame = segment.next() { ClientFrameReference.giveHandle(frame) }
}

@c @implementation
public func tessera_claim(_ frame: tessera_frame) -> tessera_result {
  status { () throws(Refusal) in
    try Start.demandDone()
    guard let address = PhysicalAddress(exactly: frame) else {
      throw Refusal(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(FrameError) {
      if let slot = try? FrameTable.slot(at: address), slot.kind.isPermanent {
        throw FrameError.unique
      }
      _ = try Frame(claiming: address, metadata: ClientFrame()).relinquish()
    } catch .unique {
      throw Refusal(TESSERA_ERROR_NOT_CLIENT)
    } catch { throw Refusal(error) }
  }
}

extension FrameKind {
  /// Whether a frame of this kind is the kernel's, the firmware's or Tessera's own.
  var isPermanent: Bool {
    usage == .reserved || usage == .kernel || usage == .metadata || usage == .pageTable
  }
}

@c @implementation @unsafe
public func tessera_frame_query(
  _ frame: tessera_frame, _ info: UnsafeMutablePointer<tessera_frame_info>?
) -> tessera_result {
  status { () throws(Refusal) in
    try Start.demandDone()
    let info = unsafe try demand(info)
    // SAFETY: the caller lends it.
    let size = unsafe info.pointee.size
    try demand(size == UInt64(MemoryLayout<tessera_frame_info>.size), TESSERA_ERROR_SIZE)
    guard let address = PhysicalAddress(exactly: frame) else {
      throw Refusal(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(FrameError) {
      // SAFETY: as above.
      unsafe info.pointee = tessera_frame_info(try FrameTable.slot(at: address))
    } catch { throw Refusal(error) }
  }
}

extension tessera_frame_info {
  fileprivate init(_ slot: FrameSlotReference) {
    let kind = slot.kind
    let count = slot.count
    self.init()
    size = UInt64(MemoryLayout<tessera_frame_info>.size)
    frame_size = kind.size.byteCount
    owners = ReferenceCount.isShared(count) ? count : 0
    use = UInt32(kind.number(isInUse: ReferenceCount.isShared(count)))
    if Int(use) == TESSERA_FRAME_CLIENT, kind.hasSameMetadata(as: .of(ClientFrame.self)),
      let reference = try? ClientFrameReference(slot.address.rawValue)
    {
      handles = reference.handleCount
    }
  }
}

extension FrameKind {
  /// The header's number for what frames of this kind are used for.
  fileprivate func number(isInUse: Bool) -> Int {
    switch usage {
    case .tail: TESSERA_FRAME_TAIL
    case .reserved: TESSERA_FRAME_RESERVED
    case .kernel: TESSERA_FRAME_KERNEL
    case .metadata: TESSERA_FRAME_METADATA
    case .pageTable: TESSERA_FRAME_PAGE_TABLE
    case .external: TESSERA_FRAME_EXTERNAL
    default: isInUse ? TESSERA_FRAME_CLIENT : TESSERA_FRAME_FREE
    }
  }
}

@c @implementation
public func tessera_frame_bytes(_ frame: tessera_frame) -> UnsafeMutableRawPointer! {
  guard let reference = try? ClientFrameReference(frame) else { return nil }
  // SAFETY: the frame is memory, and a client's.
  return unsafe PhysicalMemory.pointer(to: reference.address)
}

@c @implementation
public func tessera_frame_data(_ frame: tessera_frame) -> UnsafeMutableRawPointer! {
  guard let reference = try? ClientFrameReference(frame) else { return nil }
  // SAFETY: the notes are the first bytes of the metadata, and the client's own.
  return unsafe UnsafeMutableRawPointer(reference.metadata)
}

@c @implementation
public func tessera_add_memory(_ start: UInt64, _ length: UInt64) -> tessera_result {
  status { () throws(Refusal) in
    try Start.demandDone()
    guard let region = MemoryRegion(start: start, byteCount: length, kind: .usable) else {
      throw Refusal(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    try demand(!KernelSpace.usesTable(in: region.start..<region.end), TESSERA_ERROR_IN_USE)
    do throws(FrameError) {
      // SAFETY: the caller's promise.
      try unsafe FrameAllocator.donateReserved(from: region.start, to: region.end)
    } catch .inUse {
      throw Refusal(TESSERA_ERROR_NOT_CLIENT)
    } catch { throw Refusal(error) }
  }
}
