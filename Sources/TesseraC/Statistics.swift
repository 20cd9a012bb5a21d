// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables

@c @implementation @unsafe
public func tessera_get_statistics(
  _ statistics: UnsafeMutablePointer<tessera_statistics>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let place = unsafe try check(statistics)
    // SAFETY: the caller lends it.
    let size = unsafe place.pointee.size
    try check(size == UInt64(MemoryLayout<tessera_statistics>.size), TESSERA_ERROR_INVALID_SIZE)
    // SAFETY: as above.
    unsafe place.pointee = tessera_statistics(FrameAllocator.statistics)
  }
}

extension tessera_statistics {
  fileprivate init(_ frames: FrameStatistics) {
    let report = Boot.report
    let totals = report?.totals ?? FrameTotals()
    self.init()
    size = UInt64(MemoryLayout<tessera_statistics>.size)
    managed_frames = frames.managedFrameCount
    free_frames = frames.freeFrameCount + frames.cachedFrameCount
    cached_frames = frames.cachedFrameCount
    largest_free_block = frames.largestFreeBlock
    pooled_tables = UInt64(NodePool.count)
    metadata_frames = totals.metadata
    // What was given to the allocator later is managed now.
    kernel_frames = totals.kernel - (frames.managedFrameCount - totals.usable)
    reserved_frames = totals.reserved + totals.low
    unreachable_frames = report?.unreachableFrameCount ?? 0
    flushes = FlushStatistics.flushCount + FlushStatistics.fullFlushCount
    flushed_pages = FlushStatistics.pageCount
    full_flushes = FlushStatistics.fullFlushCount
    saturated_frames = FrameTable.saturatedFrameCount
  }
}
