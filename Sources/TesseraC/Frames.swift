// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_allocate(_ frame: UnsafeMutablePointer<tessera_frame>?) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let frame = unsafe try CallerOut(frame)
    frame.write(try allocate(FrameRequest(), .none))
  }
}

@c @implementation @unsafe
public func tessera_allocate_as(
  _ request: UnsafePointer<tessera_request>?, _ frame: UnsafeMutablePointer<tessera_frame>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    // SAFETY: the caller lends the request.
    let request = unsafe try check(request).pointee
    let frame = unsafe try CallerOut(frame)
    try request.checkSize()
    // SAFETY: the header says how the function is called.
    let onFree = unsafe FreeCallback(request.on_free)
    let wanted = try FrameRequest(request)
    try check(request.count < 1 << 40, TESSERA_ERROR_OUT_OF_FRAMES)
    let count = max(1, Int(request.count))
    try check(count == 1 || wanted.size == .fourKiB, TESSERA_ERROR_INVALID_ARGUMENT)
    frame.write(
      count == 1 ? try allocate(wanted, onFree) : try allocate(run: count, wanted, onFree))
  }
}

/// Allocates a frame with one handle.
private func allocate(
  _ request: FrameRequest, _ onFree: FreeCallback
) throws(APIError) -> tessera_frame {
  do throws(TesseraError) {
    return try Frame(allocating: ClientFrame(onFree: onFree), request).relinquish().rawValue
  } catch { throw APIError(error) }
}

/// Allocates `count` contiguous frames with one handle each.
private func allocate(
  run count: Int, _ request: FrameRequest, _ onFree: FreeCallback
) throws(APIError) -> tessera_frame {
  do throws(TesseraError) {
    let segment = try Segment<ClientFrame>(allocating: count, request) { _ in
      ClientFrame(onFree: onFree)
    }
    return segment.relinquishFirst().address.rawValue
  } catch { throw APIError(error) }
}

extension FrameRequest {
  /// - Throws: `INVALID_ARGUMENT`, and `OUT_OF_FRAMES` if no memory is aligned like that.
  fileprivate init(_ request: tessera_request) throws(APIError) {
    guard let size = PageSize(byteCount: request.frame_size == 0 ? 4096 : request.frame_size),
      request.flags & ~UInt64(TESSERA_NO_ZERO) == 0
    else { throw APIError(TESSERA_ERROR_INVALID_ARGUMENT) }
    let alignment = request.alignment == 0 ? size.byteCount : request.alignment
    try check(alignment & (alignment - 1) == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    try check(alignment <= 1 << 40, TESSERA_ERROR_OUT_OF_FRAMES)
    self.init(
      isZeroed: request.flags & UInt64(TESSERA_NO_ZERO) == 0,
      below: request.limit == 0 ? .limit : PhysicalAddress(exactly: request.limit) ?? .limit,
      alignment: max(alignment, size.byteCount), size: size)
  }
}

extension PageSize {
  /// The size of `byteCount` bytes, or nil if frames do not come in it.
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
  result { () throws(APIError) in
    let reference = try ClientFrameReference(frame)
    do throws(TesseraError) {
      let shared = try AnyFrame(sharing: reference.address)
      // SAFETY: the metadata is a client's, and stays so while the frame is in use.
      ClientFrameReference.addHandle(unsafe Frame<ClientFrame>(adopting: shared.relinquishSlot()))
    } catch { throw APIError(error) }
  }
}

@c @implementation
public func tessera_drop(_ frame: tessera_frame) -> tessera_result {
  result { () throws(APIError) in _ = try ClientFrameReference(frame).takeHandle() }
}

@c @implementation
public func tessera_drop_run(_ first: tessera_frame, _ count: UInt64) -> tessera_result {
  result { () throws(APIError) in
    _ = try takeRun(first, count)
  }
}

/// Takes over one handle of each of `count` contiguous frames of 4 KiB, or none.
///
/// - Throws: as `ClientFrameReference` and `takeHandle`, `EMPTY`, and `INVALID_ARGUMENT` if a frame
///   is larger.
func takeRun(_ first: tessera_frame, _ count: UInt64) throws(APIError) -> Segment<ClientFrame> {
  try Start.checkStarted()
  try check(count > 0, TESSERA_ERROR_EMPTY)
  try check(count <= FrameTable.frameCount, TESSERA_ERROR_OUT_OF_BOUNDS)
  let head = try ClientFrameReference(first)
  for index in 0..<count {
    do throws(APIError) {
      let reference = try ClientFrameReference(first + index * PageSize.fourKiB.byteCount)
      try check(reference.size == .fourKiB, TESSERA_ERROR_INVALID_ARGUMENT)
      _ = try reference.takeHandle().relinquish()
    } catch {
      for earlier in 0..<index {
        // SAFETY: the reference that the loop took over.
        ClientFrameReference.addHandle(
          unsafe Frame(adopting: head.slot.advanced(by: Int(earlier))))
      }
      throw error
    }
  }
  // SAFETY: the loop took over a reference of each.
  return unsafe Segment(adopting: head.slot, frameCount: Int(count))
}

/// Makes a handle of each reference that `segment` holds.
func returnRun(_ segment: consuming Segment<ClientFrame>) {
  var segment = segment
  while let frame = segment.next() { ClientFrameReference.addHandle(frame) }
}

@c @implementation
public func tessera_claim(_ frame: tessera_frame) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    guard let address = PhysicalAddress(exactly: frame) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(TesseraError) {
      if let slot = try? FrameTable.slot(at: address), slot.kind.isPermanent {
        throw TesseraError.unique
      }
      _ = try Frame(claiming: address, metadata: ClientFrame()).relinquish()
    } catch .unique {
      throw APIError(TESSERA_ERROR_NOT_CLIENT)
    } catch { throw APIError(error) }
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
  result { () throws(APIError) in
    try Start.checkStarted()
    let info = unsafe try CallerOut(sized: info)
    guard let address = PhysicalAddress(exactly: frame) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    do throws(TesseraError) {
      info.write(tessera_frame_info(try FrameTable.slot(at: address)))
    } catch { throw APIError(error) }
  }
}

extension tessera_frame_info {
  fileprivate init(_ slot: FrameSlotReference) {
    let kind = slot.kind
    let count = slot.count
    self.init()
    size = Self.currentSize
    frame_size = kind.size.byteCount
    references = ReferenceCount.isShared(count) ? count : 0
    usage = UInt32(kind.number(isInUse: ReferenceCount.isShared(count)))
    if Int(usage) == TESSERA_FRAME_CLIENT,
      let reference = try? ClientFrameReference(slot.address.rawValue)
    {
      handles = reference.handleCount
    }
  }
}

extension FrameKind {
  /// The header's `TESSERA_FRAME_...` for frames of this kind.
  fileprivate func number(isInUse: Bool) -> Int {
    switch usage {
    case .tail: TESSERA_FRAME_TAIL
    case .reserved: TESSERA_FRAME_RESERVED
    case .kernel: TESSERA_FRAME_KERNEL
    case .metadata: TESSERA_FRAME_METADATA
    case .pageTable: TESSERA_FRAME_PAGE_TABLE
    case .external: TESSERA_FRAME_EXTERNAL
    case .slab, .heap: TESSERA_FRAME_HEAP
    default:
      if !isInUse {
        TESSERA_FRAME_FREE
      } else if hasSameMetadata(as: .of(ClientFrame.self)) {
        TESSERA_FRAME_CLIENT
      } else {
        TESSERA_FRAME_SUPPLIED
      }
    }
  }
}

@c @implementation
public func tessera_frame_bytes(_ frame: tessera_frame) -> UnsafeMutableRawPointer! {
  guard let reference = try? ClientFrameReference(frame) else { return nil }
  // SAFETY: the frame is a client's, and so in the direct map.
  return unsafe PhysicalMemory.pointer(to: reference.address)
}

@c @implementation
public func tessera_frame_data(_ frame: tessera_frame) -> UnsafeMutableRawPointer! {
  guard let reference = try? ClientFrameReference(frame) else { return nil }
  // SAFETY: the kernel keeps the frame from being freed for as long as it uses the pointer.
  return unsafe reference.data
}

@c @implementation
public func tessera_add_memory(_ start: UInt64, _ length: UInt64) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    guard let region = MemoryRegion(start: start, byteCount: length, kind: .usable) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    try check(!KernelSpace.usesTable(in: region.start..<region.end), TESSERA_ERROR_IN_USE)
    try check(!KernelSpace.hasReadOnlyMemory(region.start..<region.end), TESSERA_ERROR_IN_USE)
    do throws(TesseraError) {
      // SAFETY: the caller guarantees that the memory is not used any more.
      try unsafe FrameAllocator.donateReserved(from: region.start, to: region.end)
    } catch .inUse {
      throw APIError(TESSERA_ERROR_NOT_CLIENT)
    } catch { throw APIError(error) }
  }
}
