internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

extension Boot {
  /// Starts on page tables that map all memory already.
  static func start<Regions>(
    _ configuration: BootConfiguration<Regions>, on directMap: LoaderDirectMap,
    _ features: ProcessorFeatures
  ) throws(BootError) -> BootReport {
    guard directMap.base % PageSize.fourKiB.byteCount == 0 else { throw .invalidDirectMap }
    let map = configuration.memoryMap
    try installPagingMode(features, for: map)
    guard directMap.kernelLowEnd <= PagingMode.current.lowerHalfEnd else {
      throw .invalidKernelLowEnd
    }
    let kept = KeptAddresses(upperHalfAndBelow: directMap.kernelLowEnd)
    let tables = RunningTables(base: directMap.base)
    try checkMapped(map, below: .limit, by: tables, at: kept)
    try RunningProcessor(tables, keeping: kept, linear: kept).check()
    // SAFETY: the running tables map all memory there, as was just checked, at addresses that stay.
    unsafe PhysicalMemory.setDirectMap(at: UInt(directMap.base))
    guard KernelSpace.isAreaAbsent else { throw .kernelAreaMapped }
    let totals: FrameTotals
    do throws(FrameError) {
      totals = try startFrames(on: map, configuration)
      ProcessorSetup.enableProtections(features)
      try startKernelSpace(on: directMap, configuration.externalAllocator)
    } catch { throw .outOfFrames }
    ProcessorSetup.installMemoryTypes(features)
    return BootReport(
      totals: totals, unreachableFrameCount: configuration.unreachableFrameCount, directMap: nil)
  }

  /// Starts frames on the memory of `map`.
  private static func startFrames<Source, Regions>(
    on map: MemoryMap<Source>, _ configuration: BootConfiguration<Regions>
  ) throws(FrameError) -> FrameTotals {
    let processorCount = configuration.processorCount
    if let allocator = configuration.externalAllocator {
      return try startFrames(on: map, from: allocator, processorCount: processorCount)
    }
    return try startFrames(on: map, early: EarlyAllocator(map), processorCount: processorCount)
  }

  /// Starts the kernel space. On failure the external allocator gets its memory back.
  private static func startKernelSpace(
    on directMap: LoaderDirectMap, _ allocator: ExternalAllocator?
  ) throws(FrameError) {
    do throws(FrameError) {
      try KernelSpace.start(
        copied: directMap.kernelHalf == .copied, keepingBelow: directMap.kernelLowEnd)
    } catch {
      if let allocator { undoFrames(from: allocator) }
      throw error
    }
  }

  /// Checks that the processor has no-execute pages and can address all memory of `map`, and makes
  /// its paging mode the current one.
  static func installPagingMode<Source>(
    _ features: ProcessorFeatures, for map: MemoryMap<Source>
  ) throws(BootError) {
    let end = map.endOfMemory
    guard end.frameNumber > 0 else { throw .noMemory }
    guard features.hasNoExecute else { throw .processorWithoutNoExecute }
    // SAFETY: nothing else runs, and Tessera has made no table.
    unsafe PagingMode.install(
      PagingMode(features, controlRegister4: Processor.controlRegister4))
    guard end <= PagingMode.current.physicalAddressLimit else { throw .memoryBeyondProcessor }
  }

  /// Checks that `tables` map the memory of `map` below `end` linearly, at addresses in `kept`.
  static func checkMapped<Source>(
    _ map: MemoryMap<Source>, below end: PhysicalAddress, by tables: RunningTables,
    at kept: KeptAddresses
  ) throws(BootError) {
    var isMapped = true
    map.forEachRegion { region in
      guard region.kind.isMemory && region.kind != .acpiNonVolatile else { return }
      if region.kind == .acpiReclaimable || !isMapped { return }
      isMapped = tables.map(region.clamped(from: .zero, to: end), at: kept)
    }
    guard isMapped else { throw .memoryNotMapped }
  }
}
