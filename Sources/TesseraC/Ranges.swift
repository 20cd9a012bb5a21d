// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

// Those for one page are the cursor's operations of the same name, in `Cursor+Operations.swift`, on
// a cursor that is open for the duration of the call, with preemption off. Those for a range work
// in pieces.

/// Opens a cursor over `length` bytes at `address`, runs `body` on it and closes it. What it has
/// unmapped is freed with preemption on again.
///
/// No node is added before `body` has checked its arguments: an existing node is locked, for so
/// short a time.
@inline(__always)
@unsafe private func withCursor(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?,
  _ body: (inout Cursor) throws(APIError) -> Void
) -> tessera_result {
  let state = Preemption.disable()
  do throws(APIError) {
    var cursor = try unsafe SpaceHandle(space).cursor(address, length, .existing)
    unsafe try cursor.perform(conflict, body)
    let unmapped = cursor.close()
    Preemption.enable(state)
    _ = consume unmapped
    return tessera_result(TESSERA_OK)
  } catch {
    Preemption.enable(state)
    return error.result
  }
}

/// Runs `body` on the `length` bytes at `address`.
@inline(__always)
@unsafe private func withRange(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?,
  _ body: (PiecewiseRange) throws(APIError) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    let range = try unsafe SpaceHandle(space).range(address, length)
    unsafe try range.perform(conflict, body)
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
  return unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try range.mapRun(first, count: count, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_map_zeroed(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try range.mapZeroed(flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_map_device(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ physical: UInt64,
  _ length: UInt64, _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try range.mapDevice(physical, flags: flags)
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
  unsafe withRange(space, address, length, nil) { range throws(APIError) in
    unsafe CallerOut.write(try range.unmap(), to: unmapped)
  }
}

@c @implementation @unsafe
public func tessera_protect(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ mapped: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withRange(space, address, length, nil) { range throws(APIError) in
    unsafe CallerOut.write(try range.protect(flags: flags), to: mapped)
  }
}

@c @implementation @unsafe
public func tessera_change(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ set: UInt32,
  _ clear: UInt32, _ changed: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  unsafe withRange(space, address, length, nil) { range throws(APIError) in
    unsafe CallerOut.write(try range.change(set: set, clear: clear), to: changed)
  }
}

@c @implementation @unsafe
public func tessera_set_status(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ status: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try range.setStatus(.number(status))
  }
}

@c @implementation @unsafe
public func tessera_set_demand_zero(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ flags: UInt32,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try check(!range.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    try range.setStatus(.demandZero(flags: flags))
  }
}

@c @implementation @unsafe
public func tessera_set_pending(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ payload: UInt32,
  _ flags: UInt32, _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  unsafe withRange(space, address, length, conflict) { range throws(APIError) in
    try check(!range.isKernel, TESSERA_ERROR_KERNEL_SPACE)
    try range.setStatus(.pending(payload, flags: flags))
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
    let range = try target.range(address, length)
    let source = try origin.range(address, length)
    try unsafe range.perform(conflict) { range throws(APIError) in
      do throws(TesseraError) { try range.copy(from: source) } catch { throw APIError(error) }
    }
  }
}

@c @implementation @unsafe
public func tessera_move(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ length: UInt64, _ target: UInt64,
  _ conflict: UnsafeMutablePointer<tessera_conflict>?
) -> tessera_result {
  let start = min(address, target)
  let (both, overflow) = (max(address, target) - start).addingReportingOverflow(length)
  if overflow { return tessera_result(TESSERA_ERROR_OUT_OF_BOUNDS) }
  let answer = unsafe withCursor(space, start, both, conflict) { cursor throws(APIError) in
    try cursor.move(VirtualAddress(address), length: length, to: VirtualAddress(target))
  }
  if answer == TESSERA_OK, let handle = unsafe try? SpaceHandle(space) {
    handle.noteMove(VirtualAddress(address), length, to: VirtualAddress(target))
  }
  return answer
}

@c @implementation @unsafe
public func tessera_query(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64,
  _ page: UnsafeMutablePointer<tessera_page>?
) -> tessera_result {
  resultWithoutPreemption { () throws(APIError) in
    let page = unsafe try CallerOut(sized: page)
    let cursor = try unsafe SpaceHandle(space)
      .cursor(address, PageSize.fourKiB.byteCount, .existing)
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
    try unsafe SpaceHandle(space).range(address, length).forEachRun { run in
      var page = tessera_page(run, pageSize: run.entryByteCount)
      // SAFETY: the caller passed the function for this; the page outlives the call.
      unsafe visit(context, &page)
    }
  }
}
