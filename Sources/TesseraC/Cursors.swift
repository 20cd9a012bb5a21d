// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_cursor_open(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ space: UnsafePointer<tessera_space>?,
  _ address: UInt64, _ length: UInt64, _ flags: UInt32
) -> tessera_result {
  result { () throws(APIError) in
    let storage = unsafe try check(cursor)
    let handle = unsafe try SpaceHandle(space)
    let nodes = try CursorNodes(flags: flags)
    // SAFETY: the caller lends the memory.
    try unsafe CursorHandle.open(
      at: storage, on: handle, address, length, nodes)
  }
}

extension CursorNodes {
  /// What the flags of `tessera_cursor_open` ask for. Fails with INVALID_ARGUMENT.
  fileprivate init(flags: UInt32) throws(APIError) {
    switch Int(flags) {
    case 0: self = .added
    case TESSERA_RESERVE_TABLES: self = .reserved
    case TESSERA_NO_NEW_TABLES: self = .existing
    default: throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_close(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?
) -> tessera_result {
  result { () throws(APIError) in try unsafe CursorHandle(cursor).close() }
}

@c @implementation @unsafe
public func tessera_cursor_address(_ cursor: UnsafePointer<tessera_cursor>?) -> UInt64 {
  // SAFETY: the memory is only read.
  guard let handle = unsafe try? CursorHandle(UnsafeMutablePointer(mutating: cursor)) else {
    return 0
  }
  return handle.address
}

@c @implementation @unsafe
public func tessera_cursor_jump(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ address: UInt64
) -> tessera_result {
  unsafe withCursor(cursor) { cursor throws(APIError) in
    do throws(TesseraError) {
      try cursor.jump(to: VirtualAddress(address))
    } catch { throw APIError(error) }
  }
}

/// Runs `body` on an open cursor, which does not move if that fails.
@inline(__always)
@unsafe private func withCursor(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?,
  _ conflict: UnsafeMutablePointer<tessera_conflict>? = nil,
  _ body: (inout Cursor) throws(APIError) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    try unsafe CursorHandle(cursor).resume { cursor throws(APIError) in
      try unsafe cursor.perform(conflict, body)
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_map(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ frame: tessera_frame, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.map(ClientFrameReference(frame), flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_run(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ first: tessera_frame, _ count: UInt64,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.mapRun(first, count: count, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_zeroed(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.mapZeroed(length: length, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_device(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ physical: UInt64, _ length: UInt64,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.mapDevice(physical, length: length, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_replace(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ frame: tessera_frame, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.replace(with: ClientFrameReference(frame), flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_unmap(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64,
  _ unmapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(cursor) { cursor throws(APIError) in
    unsafe CallerOut.write(try cursor.unmap(length: length), to: unmapped)
  }
}

@c @implementation @unsafe
public func tessera_cursor_protect(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ mapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(cursor) { cursor throws(APIError) in
    unsafe CallerOut.write(try cursor.protect(length: length, flags: flags), to: mapped)
  }
}

@c @implementation @unsafe
public func tessera_cursor_change(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ set: UInt32,
  _ clear: UInt32, _ changed: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(cursor) { cursor throws(APIError) in
    unsafe CallerOut.write(
      try cursor.change(length: length, set: set, clear: clear), to: changed)
  }
}

@c @implementation @unsafe
public func tessera_cursor_set_status(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ status: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.setStatus(length: length, .number(status))
  }
}

@c @implementation @unsafe
public func tessera_cursor_set_demand_zero(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.setStatus(length: length, .demandZero(flags: flags))
  }
}

@c @implementation @unsafe
public func tessera_cursor_set_pending(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ payload: UInt32,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(cursor, conflict) { cursor throws(APIError) in
    try cursor.setStatus(length: length, .pending(payload, flags: flags))
  }
}

@c @implementation @unsafe
public func tessera_cursor_copy(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?,
  _ source: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  result { () throws(APIError) in
    let target = unsafe try CursorHandle(cursor)
    let origin = unsafe try CursorHandle(source)
    try check(!target.isSame(as: origin), TESSERA_ERROR_INVALID_ARGUMENT)
    try check(!target.isKernel && !origin.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    try origin.resume { origin throws(APIError) in
      try target.resume { target throws(APIError) in
        try unsafe target.copy(from: &origin, length: length, conflict)
      }
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_query(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ page: UnsafeMutablePointer<tessera_page>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try CursorHandle(cursor)
    let page = unsafe try CallerOut(sized: page)
    try handle.resume { cursor throws(APIError) in page.write(try cursor.page()) }
  }
}

@c @implementation @unsafe
public func tessera_cursor_find_next(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64,
  _ found: UnsafeMutablePointer<Bool>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try CursorHandle(cursor)
    let found = unsafe try CallerOut(found)
    try handle.resume { cursor throws(APIError) in
      found.write(try cursor.findNext(length: length))
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_clear_access_bits(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ cleared: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(cursor) { cursor throws(APIError) in
    unsafe CallerOut.write(try cursor.clearAccessBits(length: length, flags: flags), to: cleared)
  }
}
