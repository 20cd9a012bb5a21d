// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraHardware
public import TesseraHeader
internal import TesseraPager
internal import TesseraSpaces

@c @implementation
public func tessera_pager_start() -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    try check(!Pager.isStarted, TESSERA_ERROR_ALREADY_STARTED)
    try apiErrors { () throws(TesseraError) in try Pager.start() }
  }
}

@c @implementation @unsafe
public func tessera_swap_start(
  _ store: UnsafePointer<tessera_store>?, _ pages: UInt32
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let store = unsafe try PageStore(store)
    try check(pages > 0 && pages < 1 << 31, TESSERA_ERROR_INVALID_ARGUMENT)
    try check(Pager.swapUsage.pageCount == 0, TESSERA_ERROR_IN_USE)
    try apiErrors { () throws(TesseraError) in try Pager.startSwap(store, pageCount: pages) }
  }
}

@c @implementation @unsafe
public func tessera_space_page(_ space: UnsafePointer<tessera_space>?) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let handle = unsafe try SpaceHandle(space)
    try handle.withSpace { space throws(APIError) in
      try apiErrors { () throws(TesseraError) in try space.startPaging() }
    }
  }
}

@c @implementation
public func tessera_transfer_done(_ token: UInt64, _ succeeded: Bool) {
  Pager.finish(token, succeeded: succeeded)
}

@c @implementation @unsafe
public func tessera_reclaim(
  _ count: UInt64, _ beingWritten: UnsafeMutablePointer<UInt64>?
) -> UInt64 {
  let isStarted = Pager.isStarted
  let result = isStarted ? Pager.reclaim(Int(clamping: count)) : ReclaimResult()
  unsafe CallerOut.write(UInt64(result.beingWritten), to: beingWritten)
  return UInt64(result.freed)
}

@c @implementation @unsafe
public func tessera_keep_free(_ beingWritten: UnsafeMutablePointer<UInt64>?) -> UInt64 {
  let result = Pager.isStarted ? Pager.keepFree() : ReclaimResult()
  unsafe CallerOut.write(UInt64(result.beingWritten), to: beingWritten)
  return UInt64(result.freed)
}

@c @implementation
public func tessera_set_free_marks(_ low: UInt64, _ high: UInt64) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    try check(low <= high, TESSERA_ERROR_INVALID_ARGUMENT)
    Pager.setMarks(low: low, high: high)
  }
}

/// - Throws: `NOT_STARTED` before the start of the pager.
func checkPagerStarted() throws(APIError) {
  try check(Pager.isStarted, TESSERA_ERROR_NOT_STARTED)
}

/// Calls `body`, and throws its errors as those of the header.
func apiErrors<Result: ~Copyable>(
  _ body: () throws(TesseraError) -> Result
) throws(APIError) -> Result {
  do throws(TesseraError) { return try body() } catch { throw APIError(error) }
}
