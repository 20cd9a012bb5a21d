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
  unsafe mapInFreeRange(length, address) { cursor, length throws(APIError) in
    try cursor.mapZeroed(length: length, flags: flags)
  }
}

@c @implementation @unsafe
public func tessera_kernel_map_device(
  _ physical: UInt64, _ length: UInt64, _ flags: UInt32,
  _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> tessera_result {
  unsafe mapInFreeRange(length, address) { cursor, length throws(APIError) in
    try cursor.mapDevice(physical, length: length, flags: flags)
  }
}

/// Finds a free range of `length` bytes, rounded up to pages, runs `body` there, and writes the
/// address of the first byte.
@unsafe private func mapInFreeRange(
  _ length: UInt64, _ address: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
  _ body: (inout Cursor, UInt64) throws(APIError) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let address = unsafe try CallerOut(address)
    try check(length > 0, TESSERA_ERROR_EMPTY)
    try check(length <= 1 << 39, TESSERA_ERROR_OUT_OF_ADDRESSES)
    // The error of `body`, or else that no range was found: both arrive as one `MapError`.
    var failure = APIError(TESSERA_ERROR_OUT_OF_ADDRESSES)
    do throws(MapError) {
      let range = try KernelVirtualArea.withFreeRange(pages(length)) {
        cursor throws(MapError) in
        do throws(APIError) {
          try body(&cursor, pages(length))
        } catch {
          failure = error
          throw .outOfFrames
        }
      }
      // SAFETY: forming the pointer accesses nothing.
      unsafe address.write(
        UnsafeMutableRawPointer(bitPattern: UInt(range.lowerBound.rawValue)))
    } catch { throw failure }
  }
}

/// Returns `length`, which is at most 512 GiB, rounded up to pages.
private func pages(_ length: UInt64) -> UInt64 { (length + 4095) & ~4095 }

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
    let length = pages(length)
    guard let end = VirtualAddress(start).advanced(byChecked: length) else {
      throw APIError(TESSERA_ERROR_OUT_OF_BOUNDS)
    }
    var cursor: Cursor
    do throws(RangeError) {
      cursor = try KernelSpace.cursor(over: VirtualAddress(start)..<end)
    } catch { throw APIError(error) }
    try check(cursor.isMapped(length), TESSERA_ERROR_NOT_MAPPED)
    _ = try cursor.unmap(length: length)
  }
}

extension Cursor {
  /// Returns whether every page of the next `byteCount` bytes is mapped. Does not move.
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
