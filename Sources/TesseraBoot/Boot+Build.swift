internal import TesseraFrames
internal import TesseraHardware
internal import TesseraSpaces

extension Boot {
  /// Starts on page tables that this builds: the kernel image stays mapped, and all memory is
  /// mapped in a new direct map.
  static func start<Regions>(
    _ configuration: BootConfiguration<Regions>, building plan: DirectMapPlan,
    _ features: ProcessorFeatures
  ) throws(BootError) -> BootReport {
    if configuration.externalAllocator != nil { throw .externalAllocatorNotSupported }
    let map = configuration.memoryMap
    try installPagingMode(features, for: map)
    let base = try plan.checkedBase(for: map.endOfMemory)
    let tables = RunningTables(base: plan.loaderBase)
    try checkMapped(map, below: plan.loaderEnd, by: tables, at: .all)
    guard tables.rootEntry(at: 511).isPresent else { throw .imageNotMapped }
    try RunningProcessor(
      tables, keeping: KeptAddresses(from: DirectMap.highestEnd), linear: .all
    ).check()

    // The new tables have no-execute entries.
    ProcessorSetup.enableProtections(features)
    let loaderRoot = Processor.rootRegister
    let report: BootReport
    do throws(FrameError) {
      var early = EarlyAllocator(map)
      let directMap = try build(plan, at: base, map, from: &early)
      // SAFETY: the new tables map the kernel image where it runs, and all memory at the base.
      unsafe Processor.loadRootRegister(directMap.root.rawValue)
      unsafe PhysicalMemory.setDirectMap(at: UInt(base))
      let totals = try startFrames(
        on: configuration.memoryMapWithoutUnusedTables, early: early,
        processorCount: configuration.processorCount)
      try KernelSpace.start()
      report = BootReport(totals: totals, unreachableFrameCount: 0, directMap: directMap)
    } catch {
      // SAFETY: the loader's tables are as they were.
      unsafe Processor.loadRootRegister(loaderRoot)
      unsafe PhysicalMemory.setDirectMap(at: UInt(plan.loaderBase))
      throw .outOfFrames
    }
    ProcessorSetup.installMemoryTypes(features)
    return report
  }

  private static func build<Source>(
    _ plan: DirectMapPlan, at base: UInt64, _ map: MemoryMap<Source>,
    from early: inout EarlyAllocator
  ) throws(FrameError) -> DirectMap {
    // SAFETY: the loader has mapped this memory there, as was checked.
    let running = unsafe DirectMap.RunningMapping(
      base: UInt(plan.loaderBase), below: plan.loaderEnd,
      root: Processor.rootAddress)
    return try DirectMap.build(
      mapping: map, at: base,
      largestPage: PagingMode.current.hasOneGiBPages ? .oneGiB : .twoMiB,
      readOnly: plan.readOnly, from: &early, running: running)
  }
}

extension DirectMapPlan {
  /// The base of the new direct map, for memory up to `end`.
  ///
  /// Throws `invalidDirectMap`, and `kernelAreaMapped` if it would overlap the kernel virtual area.
  fileprivate func checkedBase(for end: PhysicalAddress) throws(BootError) -> UInt64 {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    let base = base ?? 0 &- half &+ half / 8
    let end = max(end, DirectMapBuilder.lowEnd).rawValue
    guard loaderBase % PageSize.fourKiB.byteCount == 0, base >= 0 &- half,
      base % PageSize.oneGiB.byteCount == 0, base < DirectMap.highestEnd,
      end <= DirectMap.highestEnd - base,
      readOnly.lowerBound.isAligned(to: .fourKiB), readOnly.upperBound.isAligned(to: .fourKiB)
    else { throw .invalidDirectMap }
    // An entry of the root is either the area's or the direct map's.
    let span = PagingMode.current.rootLevel.span
    let area = KernelSpace.area
    guard
      base + end <= area.lowerBound.rawValue & ~(span - 1)
        || base >= (area.upperBound.rawValue + span - 1) & ~(span - 1)
    else { throw .kernelAreaMapped }
    return base
  }
}
