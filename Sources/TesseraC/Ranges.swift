// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

// Each of these is the cursor's operation of the same name, in `Cursor+Operations.swift`, on a
// cursor that is open for the duration of the call.

/// Opens a cursor over `length` bytes at `address`, runs `body` on it and closes it.
@inline(__always)
@unsafe private func withCursor(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?,
  _ body: (inout Cursor) throws(APIError) -> Void
) -> tessera_result {
  do throws(APIError) {
    var cursor = try unsafe SpaceHandle(space).cursor(address, length)
    unsafe try cursor.perform(conflict, body)
    return tessera_result(TESSERA_OK)
  } catch {
    return error.result
  }
}

@c @implementation @unsafe
public func tessera_map(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ frame: tessera_frame,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let frame = FrameLookup(frame)
  return unsafe withCursor(space, address, frame.byteCount, conflict) { cursor throws(APIError) in
    try cursor.map(frame.found(), flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_map_run(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ first: tessera_frame,
  _ count: UInt64, _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let (length, overflow) = count.multipliedReportingOverflow(by: PageSize.fourKiB.byteCount)
  if overflow { return tessera_result(TESSERA_ERROR_OUT_OF_BOUNDS) }
  return unsafe withCursor(space, address, length, conflict) { cursor throws(APIError) in
    try cursor.mapRun(first, count: count, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_map_zeroed(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(space, address, length, conflict) { cursor throws(APIError) in
    try cursor.mapZeroed(length: length, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_map_device(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ physical: UInt64,
  _ length: UInt64, _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(space, address, length, conflict) { cursor throws(APIError) in
    try cursor.mapDevice(physical, length: length, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_replace(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ frame: tessera_frame,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let frame = FrameLookup(frame)
  return unsafe withCursor(space, address, frame.byteCount, conflict) { cursor throws(APIError) in
    try cursor.replace(with: frame.found(), flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_unmap(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ unmapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(space, address, length, nil) { cursor throws(APIError) in
    unsafe CallerOut.write(try cursor.unmap(length: length), to: unmapped)
  }
}

@c @implementation @unsafe
public func tessera_protect(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ mapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withCursor(space, address, length, nil) { cursor throws(APIError) in
    unsafe CallerOut.write(try cursor.protect(length: length, flags: flags), to: mapped)
  }
}

@c @implementation @unsafe
public func tessera_set_status(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ status: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withCursor(space, address, length, conflict) { cursor throws(APIError) in
    try cursor.setStatus(length: length, status)
  }
}

@c @implementation @unsafe
public func tessera_copy(
  _ space: UnsafePointer<tessera_space>?, _ source: UnsafePointer<tessera_space>?,
  _ address: UInt64, _ length: UInt64, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  result { () throws(APIError) in
    let target = unsafe try SpaceHandle(space)
    let origin = unsafe try SpaceHandle(source)
    try check(!target.isKernel && !origin.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    try check(target.rootAddress != origin.rootAddress, TESSERA_ERROR_INVALID_ARGUMENT)
    // The order of the locks does not depend on the direction, or two copies could deadlock.
    if target.isBelow(origin) {
      var target = try target.cursor(address, length)
      var origin = try origin.cursor(address, length)
      try unsafe target.copy(from: &origin, length: length, conflict)
    } else {
      var origin = try origin.cursor(address, length)
      var target = try target.cursor(address, length)
      try unsafe target.copy(from: &origin, length: length, conflict)
    }
  }
}

@c @implementation @unsafe
public func tessera_query(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ page: UnsafeMutablePointer<tessera_page>?
) -> tessera_result {
  result { () throws(APIError) in
    let page = unsafe try CallerOut(sized: page)
    let cursor = try unsafe SpaceHandle(space).cursor(address, PageSize.fourKiB.byteCount)
    page.write(try cursor.page())
  }
}

@c @implementation @unsafe
public func tessera_visit(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ visit: tessera_visit_fn?, _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  result { () throws(APIError) in
    guard let visit = unsafe visit else { throw APIError(TESSERA_ERROR_INVALID_POINTER) }
    var cursor = try unsafe SpaceHandle(space).cursor(address, length)
    cursor.forEachRun(within: length) { run in
      var page = tessera_page(run, pageSize: run.entryByteCount)
      // SAFETY: the caller passed the function for this; the page outlives the call.
      unsafe visit(context, &page)
    }
  }
}
