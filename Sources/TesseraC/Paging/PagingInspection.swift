// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraFaults
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPager

extension tessera_page_usage: SizedStructure {}
extension tessera_page_record: SizedStructure {}
extension tessera_pager_statistics: SizedStructure {}

@c @implementation @unsafe
public func tessera_query_usage(
  _ object: tessera_object, _ usage: UnsafeMutablePointer<tessera_page_usage>?
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let usage = unsafe try CallerOut(sized: usage)
    if object == 0 { return usage.write(tessera_page_usage(Pager.usage().anonymous, length: 0)) }
    let found = try find(object)
    usage.write(tessera_page_usage(found.usage(), length: found.byteCount))
  }
}

@c @implementation @unsafe
public func tessera_query_frame_page(
  _ frame: tessera_frame, _ page: UnsafeMutablePointer<tessera_page_record>?
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let page = unsafe try CallerOut(sized: page)
    guard let address = PhysicalAddress(exactly: frame), let found = Pager.page(at: address) else {
      throw APIError(TESSERA_ERROR_NOT_MAPPED)
    }
    page.write(tessera_page_record(found))
  }
}

@c @implementation @unsafe
public func tessera_get_pager_statistics(
  _ statistics: UnsafeMutablePointer<tessera_pager_statistics>?
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    let statistics = unsafe try CallerOut(sized: statistics)
    statistics.write(tessera_pager_statistics(Pager.statistics, Pager.swapUsage))
  }
}

@c @implementation @unsafe
public func tessera_pager_dump(
  _ write: tessera_write_fn?, _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  result { () throws(APIError) in
    try checkPagerStarted()
    var sink = unsafe try CallbackSink(write, context)
    Pager.dump(to: &sink)
  }
}

extension tessera_page_usage {
  fileprivate init(_ usage: PageUsage, length: UInt64) {
    self.init(
      size: Self.currentSize, resident: usage.resident, dirty: usage.dirty,
      being_written: usage.beingWritten, swapped: usage.swapped, length: length)
  }
}

extension tessera_page_record {
  fileprivate init(_ page: PageDescription) {
    self.init(
      size: Self.currentSize, index: page.index, map_count: UInt64(page.mapCount),
      object: page.owner.isObject ? page.owner.number : 0, flags: page.flags.rawValue,
      age: page.age, reserved: 0)
  }
}

extension tessera_pager_statistics {
  fileprivate init(_ statistics: PagerStatistics, _ swap: (pageCount: UInt32, used: UInt32)) {
    self.init(
      size: Self.currentSize, reads: statistics.reads, writes: statistics.writes,
      store_failures: statistics.storeFailures, evictions: statistics.evictions,
      examined: statistics.examined, hits: statistics.hits, misses: statistics.misses,
      swap_pages: UInt64(swap.pageCount), swap_used: UInt64(swap.used))
  }
}
