// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

@c @implementation @unsafe
public func tessera_print_memory_map(
  _ config: UnsafePointer<tessera_config>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  result { () throws(APIError) in
    // SAFETY: the caller lends the regions, which are read during the call alone.
    let configuration = unsafe try BootConfiguration(tessera_config(at: config))
    var sink = try unsafe CallbackSink(write, context)
    configuration.memoryMap.write(to: &sink, title: "the kernel's")
  }
}

/// Runs `body` with the caller's space and sink.
@unsafe private func print(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?, _ body: (SpaceHandle, inout CallbackSink) -> Void
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    var sink = try unsafe CallbackSink(write, context)
    body(handle, &sink)
  }
}

@c @implementation @unsafe
public func tessera_dump(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe print(space, write, context) { $0.dump(to: &$1) }
}

@c @implementation @unsafe
public func tessera_dump_json(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe print(space, write, context) { $0.dumpJSON(to: &$1) }
}

@c @implementation @unsafe
public func tessera_print_walk(
  _ space: UnsafePointer<tessera_space>?, _ address: UInt64, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?
) -> tessera_result {
  unsafe print(space, write, context) { $0.writeWalk(of: VirtualAddress(address), to: &$1) }
}

@c @implementation @unsafe
public func tessera_audit(
  _ write: tessera_write_fn?, _ context: UnsafeMutableRawPointer?,
  _ violations: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let violations = unsafe try CallerOut(violations)
    var audit = Audit(try unsafe CallbackSink(write, context))
    FrameTable.checkInvariants { audit.report($0, at: $1.rawValue) }
    // The allocator's lock is held: nothing of the kernel's may be called.
    FrameAllocator.checkInvariants { audit.note($0) }
    audit.reportNoted()
    KernelSpace.checkLoaderTables { audit.report($0, at: $1.rawValue) }
    KernelSpace.checkInvariants(
      allowsWriteExecute: true, { rule, address, _ in audit.report(rule, at: address.rawValue) })
    violations.write(audit.count)
  }
}

@c @implementation @unsafe
public func tessera_audit_space(
  _ space: UnsafePointer<tessera_space>?, _ write: tessera_write_fn?,
  _ context: UnsafeMutableRawPointer?, _ violations: UnsafeMutablePointer<UInt64>?
) -> tessera_result {
  result { () throws(APIError) in
    let handle = unsafe try SpaceHandle(space)
    let violations = unsafe try CallerOut(violations)
    var audit = Audit(try unsafe CallbackSink(write, context))
    handle.checkInvariants { rule, address, _ in audit.report(rule, at: address.rawValue) }
    violations.write(audit.count)
  }
}

@c @implementation @unsafe
public func tessera_get_statistics(
  _ statistics: UnsafeMutablePointer<tessera_statistics>?
) -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    let statistics = unsafe try CallerOut(sized: statistics)
    statistics.write(tessera_statistics(FrameAllocator.statistics))
  }
}

extension tessera_statistics {
  fileprivate init(_ frames: FrameStatistics) {
    let report = Boot.report
    let totals = report?.totals ?? FrameTotals()
    self.init()
    size = Self.currentSize
    managed_frames = frames.managedFrameCount
    free_frames = frames.freeFrameCount + frames.cachedFrameCount
    cached_frames = frames.cachedFrameCount
    largest_free_block = frames.largestFreeBlock
    pooled_tables = UInt64(NodePool.count)
    metadata_frames = totals.metadata
    kernel_frames = totals.kernelFrameCount(whileManaging: frames.managedFrameCount)
    reserved_frames = totals.reserved + totals.low
    unreachable_frames = report?.unreachableFrameCount ?? 0
    flushes = FlushStatistics.flushCount + FlushStatistics.fullFlushCount
    flushed_pages = FlushStatistics.pageCount
    full_flushes = FlushStatistics.fullFlushCount
    saturated_frames = FrameTable.saturatedFrameCount
  }
}
