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
    try plan.check(for: map.endOfMemory)
    try checkRoomForMetadata(on: map)
    guard map.hasUsableMemory(below: plan.loaderEnd) else { throw .noRoomForTables }
    let (base, protection) = try check(plan, map, configuration.protection)

    // The new tables have no-execute entries.
    ProcessorSetup.enableProtections(features)
    var early = EarlyAllocator(map)
    let directMap: DirectMap
    do throws(TesseraError) { directMap = try build(plan, at: base, map, from: &early) } catch {
      throw .noRoomForTables
    }
    let loaderRoot = Processor.rootRegister
    // SAFETY: the new tables map the kernel image where it runs, and all memory at the base.
    unsafe Processor.loadRootRegister(directMap.root.rawValue)
    unsafe PhysicalMemory.setDirectMap(at: UInt(base))
    do throws(BootError) {
      let report = try takeOver(configuration, plan, directMap, protection, early: early)
      ProcessorSetup.installMemoryTypes(features)
      return report
    } catch {
      // SAFETY: the loader's tables are as they were.
      unsafe Processor.loadRootRegister(loaderRoot)
      unsafe PhysicalMemory.setDirectMap(at: UInt(plan.loaderBase))
      throw error
    }
  }

  /// Starts frames and the kernel space on `directMap`, which the processor runs on.
  private static func takeOver<Regions>(
    _ configuration: BootConfiguration<Regions>, _ plan: DirectMapPlan, _ directMap: DirectMap,
    _ protection: ProtectionPlan, early: consuming EarlyAllocator
  ) throws(BootError) -> BootReport {
    let totals: FrameTotals
    do throws(TesseraError) {
      totals = try startFrames(
        on: configuration.memoryMapWithoutUnusedTables, early: early,
        processorCount: configuration.processorCount)
    } catch { throw .outOfFrames }
    do throws(BootError) {
      let isCopied = plan.kernelHalf == .copied
      try checkTables(protection, copied: isCopied, keepingBelow: plan.kernelLowEnd)
      let adoption: AdoptionResult
      do throws(TesseraError) {
        adoption = try KernelSpace.start(
          copied: isCopied, keepingBelow: plan.kernelLowEnd, ownEntries: directMap.rootEntries,
          protecting: protection)
      } catch { throw .outOfFrames }
      var report = totals
      report.reserveLow(frameCount: adoption.lowTableCount)
      return BootReport(
        totals: report, unreachableFrameCount: 0, userEntryCount: adoption.userEntryCount,
        directMap: directMap)
    } catch {
      undoFrames(from: nil)
      throw error
    }
  }

  /// Checks that the running tables map what `plan` says, and that what the processor uses, and the
  /// tables of what stays mapped, are in no memory that becomes free.
  ///
  /// Returns the base of the new direct map, and the changes for `protection`.
  private static func check<Source>(
    _ plan: DirectMapPlan, _ map: MemoryMap<Source>, _ protection: KernelProtection
  ) throws(BootError) -> (UInt64, ProtectionPlan) {
    var tables = RunningTables(base: plan.loaderBase)
    try checkMapped(map, below: plan.loaderEnd, by: &tables, at: .all)
    let isImageMapped = plan.keepsUpperHalf || tables.rootEntry(at: 511)?.isPresent == true
    guard isImageMapped else { throw .imageNotMapped }
    let base = try plan.base(for: map.endOfMemory, in: &tables)
    var processor = RunningProcessor(tables, keeping: plan.kept, linear: .all)
    try processor.check()
    var inUse = MemoryInUse(tables, on: map)
    try inUse.checkProcessor(usesInterruptTable: processor.usesInterruptTable)
    var survey = TableSurvey(
      tables, on: map,
      TableSurvey.Requirements(end: map.endOfFrames, reservesTables: true, kept: nil))
    try survey.check(plan.keptEntries.low)
    try survey.check(plan.keptEntries.high)
    // These are read and written until the new tables are complete.
    let loaderEntry = VirtualAddress(plan.loaderBase).index(at: PagingMode.current.rootLevel)
    try survey.check(loaderEntry..<loaderEntry + 1)
    var check = ProtectionCheck(
      tables, on: map, keeping: plan.kept, linear: .all,
      usesInterruptTable: processor.usesInterruptTable)
    return (
      base, try check.plan(for: protection, directMap: base, lowEnd: plan.kernelLowEnd)
    )
  }

  private static func build<Source>(
    _ plan: DirectMapPlan, at base: UInt64, _ map: MemoryMap<Source>,
    from early: inout EarlyAllocator
  ) throws(TesseraError) -> DirectMap {
    // SAFETY: the loader has mapped this memory there, as was checked.
    let running = unsafe DirectMap.RunningMapping(
      base: UInt(plan.loaderBase), below: plan.loaderEnd, root: Processor.rootAddress,
      keeping: plan.keptEntries.low, plan.keptEntries.high)
    return try DirectMap.build(
      mapping: map, at: base,
      largestPage: PagingMode.current.hasOneGiBPages ? .oneGiB : .twoMiB,
      readOnly: plan.readOnly, from: &early, running: running)
  }
}

extension MemoryMap {
  /// Whether a page of usable memory lies below `end`.
  func hasUsableMemory(below end: PhysicalAddress) -> Bool {
    var isFound = false
    forEachRegion { region in
      if region.kind == .usable && region.start < end { isFound = true }
    }
    return isFound
  }
}
