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
    try check(flags & ~UInt32(TESSERA_RESERVE_TABLES) == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    // SAFETY: the caller lends the memory.
    unsafe try CursorHandle.checkNotOpen(at: storage)
    let opened = try handle.cursor(
      address, length, reservingNodes: flags & UInt32(TESSERA_RESERVE_TABLES) != 0)
    // SAFETY: the caller lends the memory.
    unsafe CursorHandle.make(opened, of: handle, at: storage)
  }
}

@c @implementation @unsafe
public func tessera_cursor_close(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?
) -> tessera_result {
  result { () throws(APIError) in unsafe try CursorHandle(cursor).finish() }
}

@c @implementation @unsafe
public func tessera_cursor_address(_ cursor: UnsafePointer<tessera_cursor>?) -> UInt64 {
  // SAFETY: it is only read.
  guard let handle = unsafe try? CursorHandle(UnsafeMutablePointer(mutating: cursor)) else {
    return 0
  }
  return handle.address
}

/// Has `body` do one thing with an open cursor, which stays where it is if that is refused. If
/// something was in the way, says in `conflict` what.
@inline(__always)
@unsafe private func change(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?,
  _ body: (inout Cursor) throws(Failure) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    try unsafe CursorHandle(cursor).resume { cursor throws(APIError) in
      let position = cursor.address
      do throws(Failure) {
        try body(&cursor)
      } catch {
        unsafe Obstacle.write(error, seenBy: &cursor, to: conflict)
        _ = try? cursor.jump(to: position)
        throw error.refusal
      }
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_jump(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ address: UInt64
) -> tessera_result {
  result { () throws(APIError) in
    try unsafe CursorHandle(cursor).resume { cursor throws(APIError) in
      do throws(RangeError) {
        try cursor.jump(to: VirtualAddress(address))
      } catch { throw APIError(error) }
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_map(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ frame: tessera_frame, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.map(&cursor, frame, flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_run(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ first: tessera_frame, _ count: UInt64,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.mapRun(&cursor, first, count, flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_zeroed(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.mapNew(&cursor, length, flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_map_device(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ target: UInt64, _ length: UInt64,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.mapDevice(&cursor, target, length, flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_replace(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ frame: tessera_frame, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.replace(&cursor, frame, flags)
  }
}

@c @implementation @unsafe
public func tessera_cursor_unmap(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64,
  _ unmapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe change(cursor, nil) { cursor throws(Failure) in
    unsafe write(try Change.unmap(&cursor, length), to: unmapped)
  }
}

@c @implementation @unsafe
public func tessera_cursor_protect(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ mapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe change(cursor, nil) { cursor throws(Failure) in
    unsafe write(try Change.protect(&cursor, length, flags), to: mapped)
  }
}

@c @implementation @unsafe
public func tessera_cursor_set_status(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ mark: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(cursor, conflict) { cursor throws(Failure) in
    try Change.mark(&cursor, length, mark)
  }
}

@c @implementation @unsafe
public func tessera_cursor_query(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ page: UnsafeMutablePointer<tessera_page>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try CursorHandle(cursor)
    let page = unsafe try checkPage(page)
    try handle.resume { cursor throws(APIError) in
      // SAFETY: the caller lends it.
      unsafe page.pointee = try cursor.page()
    }
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
        do throws(Failure) {
          try Change.copy(&target, from: &origin, length)
        } catch {
          unsafe Obstacle.write(error, seenBy: &target, to: conflict)
          throw error.refusal
        }
      }
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_find_next(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64,
  _ found: UnsafeMutablePointer<Bool>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try CursorHandle(cursor)
    let found = unsafe try check(found)
    try handle.resume { cursor throws(APIError) in
      do throws(Failure) {
        // SAFETY: the caller lends it.
        unsafe found.pointee = try Change.find(&cursor, length)
      } catch { throw error.refusal }
    }
  }
}

@c @implementation @unsafe
public func tessera_cursor_clear_access_bits(
  _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ length: UInt64, _ flags: UInt32,
  _ cleared: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe change(cursor, nil) { cursor throws(Failure) in
    unsafe write(try Change.clear(&cursor, length, flags), to: cleared)
  }
}
