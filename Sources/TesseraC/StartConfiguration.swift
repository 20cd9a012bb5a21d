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
  /// The kernel's own, if it has one.
  private let allocator: ExternalAllocator?

  /// Refused with NULL, ARGUMENT, MEMORY_MAP.
  @unsafe init(_ config: tessera_config) throws(APIError) {
    unsafe given = try GivenRegions(config)
    map = MemoryMap(given)
    window = unsafe config.direct_map
    lowEnd = VirtualAddress(unsafe config.kernel_low_end)
    isCopied = unsafe config.kernel_half == UInt32(TESSERA_COPY)
    processorCount = unsafe max(1, Int(config.processor_count))
    let isKnown = unsafe config.kernel_half <= UInt32(TESSERA_COPY) && config.flags == 0
    try check(isKnown && processorCount <= 64, TESSERA_ERROR_INVALID_ARGUMENT)
    unsafe allocator = try ExternalAllocator.given(by: config)
    try check(window % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_INVALID_ARGUMENT)
    try check(map.endOfMemory.frameNumber > 0, TESSERA_ERROR_INVALID_MEMORY_MAP)
  }

  /// Refused with PROCESSOR, ARGUMENT, MEMORY_MAP, NOT_VISIBLE, OUT_OF_FRAMES, ADDRESS_IN_USE, and
  /// as `RunningProcessor` refuses.
  func start() throws(APIError) {
    let features = ProcessorFeatures()
    try check(features.hasNoExecute, TESSERA_ERROR_UNSUPPORTED_PROCESSOR)
    // SAFETY: nothing else runs, and Tessera has made no table.
    unsafe PagingMode.install(
      PagingMode(features, controlRegister4: Processor.controlRegister4))
    try check(lowEnd <= PagingMode.current.lowerHalfEnd, TESSERA_ERROR_INVALID_ARGUMENT)
    try check(
      map.endOfMemory <= PagingMode.current.physicalAddressLimit, TESSERA_ERROR_INVALID_MEMORY_MAP)
    let tables = RunningTables(window: window)
    try checkDirectMap(through: tables)
    try RunningProcessor(tables, keepingBelow: lowEnd).checkKept()
    // SAFETY: the running tables show all memory there, as was just seen, in the half that stays.
    unsafe PhysicalMemory.setDirectMap(at: UInt(window))
    try check(KernelSpace.isAreaAbsent, TESSERA_ERROR_KERNEL_AREA_IN_USE)
    do throws(FrameError) {
      let totals = try startFrames()
      ProcessorSetup.prepare(features)
      try startSpace()
      ProcessorSetup.finish(features)
      SpaceHandle.makeKernel()
      Start.remember(true, totals, invisible: given.invisibleFrameCount)
    } catch {
      throw APIError(error)
    }
  }

  private func startFrames() throws(FrameError) -> FrameTotals {
    if let allocator {
      return try Boot.start(on: map, from: allocator, processorCount: processorCount)
    }
    return try Boot.start(on: map, early: EarlyAllocator(map), processorCount: processorCount)
  }

  /// Starts the kernel's space. If there is no memory for it, the kernel's allocator gets all back.
  private func startSpace() throws(FrameError) {
    do throws(FrameError) {
      try KernelSpace.start(copied: isCopied, keepingBelow: lowEnd)
    } catch {
      if let allocator { Boot.undoStart(from: allocator) }
      throw error
    }
  }

  /// Refuses unless the running tables show all of the map's memory at the window, in the part of
  /// the address space that stays the kernel's.
  private func checkDirectMap(through tables: RunningTables) throws(APIError) {
    // Reading the tables needs the window already; where it does not show them, that is a fault.
    var isVisible = true
    map.forEachRegion { region in
      guard region.kind.isMemory && region.kind != .acpiNonVolatile else { return }
      if region.kind == .acpiReclaimable { return }
      if isVisible { isVisible = tables.show(region, keepingBelow: lowEnd) }
    }
    try check(isVisible, TESSERA_ERROR_NOT_IN_DIRECT_MAP)
  }
}

extension tessera_config {
  /// What `pointer` leads to, all of it; what it is too short for is zero. Refused with NULL, SIZE.
  @unsafe init(at pointer: UnsafePointer<tessera_config>?) throws(APIError) {
    let pointer = unsafe try check(pointer)
    // SAFETY: the caller lends it, and every version begins with this.
    let size = unsafe pointer.pointee.size
    // SAFETY: only how long it is.
    let whole = unsafe UInt64(MemoryLayout<tessera_config>.size)
    // The first version ended before the kernel's allocator.
    let first = whole - 3 * UInt64(MemoryLayout<UInt64>.size)
    try check(size == whole || size == first, TESSERA_ERROR_INVALID_SIZE)
    unsafe self.init()
    // SAFETY: the caller lends so many bytes.
    unsafe withUnsafeMutableBytes(of: &self) {
      unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(size)))
    }
  }
}

extension ExternalAllocator {
  /// The one that `config` names, or nil. Refused with NULL if one function is missing.
  @unsafe fileprivate static func given(
    by config: tessera_config
  ) throws(APIError) -> ExternalAllocator? {
    let allocate = unsafe config.allocate_frames
    let free = unsafe config.free_frames
    guard let allocate = unsafe allocate, let free = unsafe free else {
      // SAFETY: only whether they are there.
      try check(unsafe allocate == nil && free == nil, TESSERA_ERROR_INVALID_POINTER)
      return nil
    }
    // SAFETY: the header says what the functions do.
    return unsafe ExternalAllocator(
      allocateFrames: allocate, freeFrames: free, context: config.frames_context)
  }
}
