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
    // At least one entry of the root must be left to programs.
    let mode = PagingMode.current
    guard
      directMap.kernelLowEnd.rawValue <= mode.lowerHalfEnd.rawValue - mode.rootLevel.span
    else { throw .invalidKernelLowEnd }
    let kept = KeptAddresses(upperHalfAndBelow: directMap.kernelLowEnd)
    var tables = RunningTables(base: directMap.base)
    try checkMapped(map, below: .limit, by: &tables, at: kept)
    var processor = RunningProcessor(tables, keeping: kept, linear: kept)
    try processor.check()
    // SAFETY: the running tables map all memory there, as was just checked, at addresses that stay.
    unsafe PhysicalMemory.setDirectMap(at: UInt(directMap.base))
    guard KernelSpace.isAreaAbsent else { throw .kernelAreaMapped }
    let isReserving = configuration.externalAllocator == nil
    if isReserving {
      var inUse = MemoryInUse(tables, on: map)
      try inUse.checkProcessor(usesInterruptTable: processor.usesInterruptTable)
    }
    var survey = TableSurvey(
      tables, on: map,
      TableSurvey.Requirements(end: map.endOfFrames, reservesTables: isReserving, kept: kept))
    try survey.check(KernelSpace.lowEntries(below: directMap.kernelLowEnd))
    try survey.check(256..<512)
    var check = ProtectionCheck(
      tables, on: map, keeping: kept, linear: kept,
      usesInterruptTable: processor.usesInterruptTable)
    let plan = try check.plan(
      for: configuration.protection, directMap: directMap.base, lowEnd: directMap.kernelLowEnd)
    return try takeOver(map, configuration, directMap, plan, features)
  }

  /// The part of the start that changes something: everything has been checked but what takes slots
  /// or memory.
  private static func takeOver<Source, Regions>(
    _ map: MemoryMap<Source>, _ configuration: BootConfiguration<Regions>,
    _ directMap: LoaderDirectMap, _ plan: ProtectionPlan, _ features: ProcessorFeatures
  ) throws(BootError) -> BootReport {
    if configuration.externalAllocator == nil { try checkRoomForMetadata(on: map) }
    var totals: FrameTotals
    do throws(TesseraError) { totals = try startFrames(on: map, configuration) } catch {
      throw .outOfFrames
    }
    let allocator = configuration.externalAllocator
    let isCopied = directMap.kernelHalf == .copied
    let lowEnd = directMap.kernelLowEnd
    do throws(BootError) {
      try checkTables(plan, copied: isCopied, keepingBelow: lowEnd)
    } catch {
      undoFrames(from: allocator)
      throw error
    }
    ProcessorSetup.enableProtections(features)
    do throws(TesseraError) {
      let adoption = try KernelSpace.start(
        copied: isCopied, keepingBelow: lowEnd, protecting: plan)
      totals.reserveLow(frameCount: adoption.lowTableCount)
      ProcessorSetup.installMemoryTypes(features)
      return BootReport(
        totals: totals, unreachableFrameCount: configuration.unreachableFrameCount,
        userEntryCount: adoption.userEntryCount, directMap: nil)
    } catch {
      undoFrames(from: allocator)
      throw .outOfFrames
    }
  }

  /// Checks the tables that the processor runs on, once there are slots: none may be reachable at
  /// two levels, and `plan` must be possible.
  static func checkTables(
    _ plan: ProtectionPlan, copied: Bool, keepingBelow lowEnd: VirtualAddress
  ) throws(BootError) {
    if let table = KernelSpace.tableAtTwoLevels(keepingBelow: lowEnd) {
      throw .pageTableAtTwoLevels(table)
    }
    try plan.checkTables(copied: copied, keepingBelow: lowEnd)
  }

  /// Throws `noRoomForMetadata` if the slots fit in no region, although there is memory enough, and
  /// `outOfFrames` if there is not.
  static func checkRoomForMetadata<Source>(on map: MemoryMap<Source>) throws(BootError) {
    let needed = map.endOfFrames.frameNumber * FrameSlot.byteCount
    var largest: UInt64 = 0
    var sum: UInt64 = 0
    map.forEachRegion { region in
      guard region.kind == .usable else { return }
      largest = max(largest, region.byteCount)
      sum += region.byteCount
    }
    if sum < needed { throw .outOfFrames }
    if largest < needed { throw .noRoomForMetadata }
  }

  /// Starts frames on the memory of `map`.
  private static func startFrames<Source, Regions>(
    on map: MemoryMap<Source>, _ configuration: BootConfiguration<Regions>
  ) throws(TesseraError) -> FrameTotals {
    let processorCount = configuration.processorCount
    if let allocator = configuration.externalAllocator {
      return try startFrames(on: map, from: allocator, processorCount: processorCount)
    }
    return try startFrames(on: map, early: EarlyAllocator(map), processorCount: processorCount)
  }

  /// Checks that the processor has no-execute pages and can address all memory of `map`, and makes
  /// its paging mode the current one.
  static func installPagingMode<Source>(
    _ features: ProcessorFeatures, for map: MemoryMap<Source>
  ) throws(BootError) {
    guard map.hasUsableMemory(below: .limit) else { throw .noMemory }
    guard features.hasNoExecute else { throw .processorWithoutNoExecute }
    // SAFETY: nothing else runs, and Tessera has made no table.
    unsafe PagingMode.install(
      PagingMode(features, controlRegister4: Processor.controlRegister4))
    guard map.endOfMemory <= PagingMode.current.physicalAddressLimit else {
      throw .memoryBeyondProcessor
    }
  }

  /// Checks that `tables` map the memory of `map` below `end` linearly, at addresses in `kept`.
  static func checkMapped<Source>(
    _ map: MemoryMap<Source>, below end: PhysicalAddress, by tables: inout RunningTables,
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
