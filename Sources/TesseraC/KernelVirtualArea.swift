// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_kernel_allocate(
  _ length: UInt64, _ flags: UInt32, _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> tessera_result {
  unsafe mapInArea(length, address) { cursor, byteCount throws(Failure) in
    try Change.mapNew(&cursor, byteCount, flags)
  }
}

@c @implementation @unsafe
public func tessera_kernel_map_device(
  _ target: UInt64, _ length: UInt64, _ flags: UInt32,
  _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> tessera_result {
  unsafe mapInArea(length, address) { cursor, byteCount throws(Failure) in
    try Change.mapDevice(&cursor, target, byteCount, flags)
  }
}

/// Finds free addresses for `length` bytes and has `body` map there.
@unsafe private func mapInArea(
  _ length: UInt64, _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ body: (inout Cursor, UInt64) throws(Failure) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let address = unsafe try check(address)
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check(length <= 1 << 39, TESSERA_ERROR_OUT_OF_ADDRESSES)
    let byteCount = (length + 4095) & ~4095
    var refusal = APIError(TESSERA_ERROR_OUT_OF_ADDRESSES)
    do throws(MapError) {
      let range = try KernelVirtualArea.withFreeRange(byteCount) { cursor throws(MapError) in
        do throws(Failure) {
          try body(&cursor, byteCount)
        } catch {
          refusal = error.refusal
          throw .outOfFrames
        }
      }
      // SAFETY: the caller lends it; the memory is the caller's.
      unsafe address.pointee = UnsafeMutableRawPointer(
        bitPattern: UInt(range.lowerBound.rawValue))
    } catch { throw refusal }
  }
}

@c @implementation @unsafe
public func tessera_kernel_free(
  _ address: UnsafeMutableRawPointer?, _ length: UInt64
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let start = UInt64(UInt(bitPattern: address))
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check(length <= 1 << 39, TESSERA_ERROR_OUT_OF_BOUNDS)
    try check(start % 4096 == 0, TESSERA_ERROR_NOT_ALIGNED)
    let byteCount = (length + 4095) & ~4095
    let (end, overflow) = start.addingReportingOverflow(byteCount)
    try check(!overflow, TESSERA_ERROR_OUT_OF_BOUNDS)
    var cursor = try SpaceHandle.kernelCursor(start, end)
    try check(cursor.isMapped(byteCount), TESSERA_ERROR_NOT_MAPPED)
    // All of it is mapped, so that at most its ends have to be split.
    do throws(MapError) { try cursor.unmap(byteCount) } catch { throw APIError(error) }
  }
}

extension SpaceHandle {
  /// Locks the kernel's pages from `start` up to `end`. Refused with OUT_OF_BOUNDS.
  @_lifetime(immortal)
  fileprivate static func kernelCursor(
    _ start: UInt64, _ end: UInt64
  ) throws(APIError) -> Cursor {
    do throws(RangeError) {
      return try KernelSpace.cursor(over: VirtualAddress(start)..<VirtualAddress(end))
    } catch { throw APIError(error) }
  }
}

extension Cursor {
  /// Whether every page of the next `byteCount` bytes is mapped. Stays where it is.
  fileprivate mutating func isMapped(_ byteCount: UInt64) -> Bool {
    let start = address
    var mapped: UInt64 = 0
    forEachRun(within: byteCount) { run in
      if run.content.isMapped { mapped += run.byteCount }
    }
    _ = try? jump(to: start)
    return mapped >= byteCount
  }
}
