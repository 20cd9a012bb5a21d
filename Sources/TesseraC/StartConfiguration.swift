internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraSpaces

/// Everything that a start is asked for, found sound.
struct StartConfiguration {
  private let map: MemoryMap<GivenRegions>
  private let given: GivenRegions
  private let window: UInt64
  private let lowEnd: VirtualAddress
  private let isCopied: Bool
  private let processorCount: Int

  /// Refused with SIZE, NULL, ARGUMENT, MEMORY_MAP.
  @unsafe init(_ config: tessera_config) throws(Refusal) {
    try demand(
      unsafe config.size == UInt64(MemoryLayout<tessera_config>.size), TESSERA_ERROR_SIZE)
    unsafe given = try GivenRegions(config)
    map = MemoryMap(given)
    window = unsafe config.direct_map
    lowEnd = VirtualAddress(unsafe config.kernel_low_end)
    isCopied = unsafe config.kernel_half == UInt32(TESSERA_COPY)
    processorCount = unsafe max(1, Int(config.processor_count))
    let isKnown = unsafe config.kernel_half <= UInt32(TESSERA_COPY) && config.flags == 0
    try demand(isKnown && processorCount <= 64, TESSERA_ERROR_ARGUMENT)
    try demand(window % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_ARGUMENT)
    try demand(map.endOfMemory.frameNumber > 0, TESSERA_ERROR_MEMORY_MAP)
  }

  /// Refused with PROCESSOR, ARGUMENT, MEMORY_MAP, NOT_VISIBLE, OUT_OF_FRAMES, ADDRESS_IN_USE, and
  /// as `RunningProcessor` refuses.
  func start() throws(Refusal) {
    let features = ProcessorFeatures()
    try demand(features.hasNoExecute, TESSERA_ERROR_PROCESSOR)
    // SAFETY: nothing else runs, and Tessera has made no table.
    unsafe PagingMode.install(
      PagingMode(features, controlRegister4: Processor.controlRegister4))
    try demand(lowEnd <= PagingMode.current.lowerHalfEnd, TESSERA_ERROR_ARGUMENT)
    try demand(
      map.endOfMemory <= PagingMode.current.physicalAddressLimit, TESSERA_ERROR_MEMORY_MAP)
    let tables = RunningTables(window: window)
    try demandVisible(through: tables)
    try RunningProcessor(tables, keepingBelow: lowEnd).demandKept()
    // SAFETY: the running tables show all memory there, as was just seen, in the half that stays.
    unsafe PhysicalMemory.setWindow(at: UInt(window))
    try demand(KernelSpace.isAreaAbsent, TESSERA_ERROR_ADDRESS_IN_USE)
    do throws(FrameError) {
      let totals = try Tessera.start(
        on: map, early: EarlyAllocator(map), processorCount: processorCount)
      ProcessorSetup.prepare(features)
      try KernelSpace.start(copied: isCopied, keepingBelow: lowEnd)
      ProcessorSetup.finish(features)
      SpaceHandle.makeKernel()
      Start.remember(true, totals, invisible: given.invisibleFrameCount)
    } catch {
      throw Refusal(error)
    }
  }

  /// Refuses unless the running tables show all of the map's memory at the window, in the part of
  /// the address space that stays the kernel's.
  private func demandVisible(through tables: RunningTables) throws(Refusal) {
    // Reading the tables needs the window already; where it does not show them, that is a fault.
    var isVisible = true
    map.forEachRegion { region in
      guard region.kind.isMemory && region.kind != .acpiNonVolatile else { return }
      if region.kind == .acpiReclaimable { return }
      if isVisible { isVisible = tables.show(region, keepingBelow: lowEnd) }
    }
    try demand(isVisible, TESSERA_ERROR_NOT_VISIBLE)
  }
}
