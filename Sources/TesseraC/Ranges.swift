// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// Opens a cursor over `byteCount` bytes from `address` on, and has `body` do one thing with it.
/// If something was in the way, says in `conflict` what.
@inline(__always)
@unsafe private func change(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ byteCount: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?,
  _ body: (inout Cursor) throws(Failure) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    var cursor = try unsafe SpaceHandle(space).cursor(address, byteCount)
    do throws(Failure) {
      try body(&cursor)
    } catch {
      unsafe Obstacle.write(error, seenBy: &cursor, to: conflict)
      throw error.refusal
    }
  }
}

/// Writes `value` to `place`, unless that is null.
@inline(__always)
@unsafe func write(_ value: UInt64, to place: UnsafeMutablePointer<UInt64>?) {
  if let place = unsafe try? check(place) { unsafe place.pointee = value }
}

@c @implementation @unsafe
public func tessera_map(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ frame: tessera_frame,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let size = (try? ClientFrameReference(frame))?.size ?? .fourKiB
  return unsafe change(space, address, size.byteCount, conflict) { cursor throws(Failure) in
    try Change.map(&cursor, frame, flags)
  }
}

@c @implementation @unsafe
public func tessera_map_run(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ first: tessera_frame,
  _ count: UInt64, _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let (byteCount, overflow) = count.multipliedReportingOverflow(by: PageSize.fourKiB.byteCount)
  if overflow { return tessera_result(TESSERA_ERROR_OUT_OF_BOUNDS) }
  return unsafe change(space, address, byteCount, conflict) { cursor throws(Failure) in
    try Change.mapRun(&cursor, first, count, flags)
  }
}

@c @implementation @unsafe
public func tessera_map_zeroed(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(space, address, length, conflict) { cursor throws(Failure) in
    try Change.mapNew(&cursor, length, flags)
  }
}

@c @implementation @unsafe
public func tessera_map_device(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ target: UInt64, _ length: UInt64,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(space, address, length, conflict) { cursor throws(Failure) in
    try Change.mapDevice(&cursor, target, length, flags)
  }
}

@c @implementation @unsafe
public func tessera_replace(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ frame: tessera_frame,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let size = (try? ClientFrameReference(frame))?.size ?? .fourKiB
  return unsafe change(space, address, size.byteCount, conflict) { cursor throws(Failure) in
    try Change.replace(&cursor, frame, flags)
  }
}

@c @implementation @unsafe
public func tessera_unmap(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ unmapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe change(space, address, length, nil) { cursor throws(Failure) in
    unsafe write(try Change.unmap(&cursor, length), to: unmapped)
  }
}

@c @implementation @unsafe
public func tessera_protect(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ mapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe change(space, address, length, nil) { cursor throws(Failure) in
    unsafe write(try Change.protect(&cursor, length, flags), to: mapped)
  }
}

@c @implementation @unsafe
public func tessera_set_status(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ mark: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe change(space, address, length, conflict) { cursor throws(Failure) in
    try Change.mark(&cursor, length, mark)
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
    // Two that copy from each other take the locks in the same order.
    var first = try (target.isBelow(origin) ? target : origin).cursor(address, length)
    var second = try (target.isBelow(origin) ? origin : target).cursor(address, length)
    do throws(Failure) {
      if target.isBelow(origin) {
        try Change.copy(&first, from: &second, length)
      } else {
        try Change.copy(&second, from: &first, length)
      }
    } catch {
      if target.isBelow(origin) {
        unsafe Obstacle.write(error, seenBy: &first, to: conflict)
      } else {
        unsafe Obstacle.write(error, seenBy: &second, to: conflict)
      }
      throw error.refusal
    }
  }
}

@c @implementation @unsafe
public func tessera_query(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ page: UnsafeMutablePointer<tessera_page>?
) -> tessera_result {
  result { () throws(APIError) in
    let page = unsafe try checkPage(page)
    let cursor = try unsafe SpaceHandle(space).cursor(address, PageSize.fourKiB.byteCount)
    // SAFETY: the caller lends it.
    unsafe page.pointee = try cursor.page()
  }
}

/// The place of an answer, whose size the caller has set. Refused with NULL and SIZE.
@unsafe func checkPage(
  _ page: UnsafeMutablePointer<tessera_page>?
) throws(APIError) -> UnsafeMutablePointer<tessera_page> {
  let page = unsafe try check(page)
  // SAFETY: the caller lends it.
  let size = unsafe page.pointee.size
  try check(size == UInt64(MemoryLayout<tessera_page>.size), TESSERA_ERROR_INVALID_SIZE)
  return unsafe page
}

extension Cursor {
  /// What is at the position, as the header has it. Refused with OUT_OF_BOUNDS at the end.
  func page() throws(APIError) -> tessera_page {
    do throws(RangeError) {
      let run = try query()
      return tessera_page(run, pageSize: run.entryByteCount)
    } catch { throw APIError(error) }
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
      // SAFETY: the caller gave the function for this; the page is lent for the call.
      unsafe visit(context, &page)
    }
  }
}
