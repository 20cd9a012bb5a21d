internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

extension BootConfiguration<ConfigRegions> {
  /// Creates the configuration described by `config`.
  ///
  /// - Throws: INVALID_POINTER, INVALID_ARGUMENT, INVALID_MEMORY_MAP.
  @unsafe init(_ config: tessera_config) throws(APIError) {
    let regions = unsafe try ConfigRegions(config)
    guard let image = unsafe config.image else {
      StartError.note("image_end is below image_start, or beyond 2^52")
      throw APIError(TESSERA_ERROR_INVALID_ARGUMENT)
    }
    let isHalfKnown = unsafe config.kernel_half <= UInt32(TESSERA_COPY)
    try check(
      isHalfKnown, TESSERA_ERROR_INVALID_ARGUMENT,
      "kernel_half is neither TESSERA_ADOPT nor TESSERA_COPY")
    let flags = unsafe config.flags
    let known =
      TESSERA_NO_OTHER_EXECUTION | TESSERA_NO_PAGE_ZERO | TESSERA_BUILD_DIRECT_MAP
      | TESSERA_NO_PROCESS_CONTEXTS
    try check(
      flags & ~UInt64(known) == 0, TESSERA_ERROR_INVALID_ARGUMENT, "flags has an unknown flag")
    let isBuilt = flags & UInt64(TESSERA_BUILD_DIRECT_MAP) != 0
    let areRegionsKept = unsafe config.areRegionsKept
    try check(
      !isBuilt || areRegionsKept, TESSERA_ERROR_INVALID_ARGUMENT,
      "regions is not in the part of the address space that is kept")
    let directMap: BootDirectMap =
      isBuilt ? .build(unsafe config.directMapPlan) : .loader(unsafe config.loaderDirectMap)
    // SAFETY: the header requires the direct map to be mapped.
    unsafe self.init(regions: regions, kernelImage: image, directMap: directMap)
    processorCount = unsafe max(1, Int(config.processor_count))
    unsafe externalAllocator = try ExternalAllocator(config)
    usesProcessContexts = flags & UInt64(TESSERA_NO_PROCESS_CONTEXTS) == 0
    protection.unmapsPageZero = flags & UInt64(TESSERA_NO_PAGE_ZERO) != 0
    if flags & UInt64(TESSERA_NO_OTHER_EXECUTION) != 0 {
      unsafe protection.text = try KernelText(config)
    }
  }
}

extension tessera_config {
  /// Copies the structure at `pointer`. Fields that an earlier version lacks are zero.
  ///
  /// - Throws: INVALID_POINTER, INVALID_SIZE.
  @unsafe init(at pointer: UnsafePointer<tessera_config>?) throws(APIError) {
    StartError.note("config is null or not aligned")
    let pointer = unsafe try check(pointer)
    // SAFETY: valid during the call, and every version starts with the size.
    let size = unsafe pointer.pointee.size
    // SAFETY: reads a size only.
    let whole = unsafe UInt64(MemoryLayout<tessera_config>.size)
    // The second version ended before the addresses of the code, and the first before the external
    // allocator.
    let second = whole - 5 * UInt64(MemoryLayout<UInt64>.size)
    let first = second - 3 * UInt64(MemoryLayout<UInt64>.size)
    try check(
      size == whole || size == second || size == first, TESSERA_ERROR_INVALID_SIZE,
      "size is not that of a version of tessera_config")
    unsafe self.init()
    // SAFETY: `size` bytes are valid during the call.
    unsafe withUnsafeMutableBytes(of: &self) {
      unsafe $0.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(size)))
    }
  }

  /// The kernel image, or nil if it ends before its start or beyond the physical address space.
  fileprivate var image: Range<PhysicalAddress>? {
    // SAFETY: numbers.
    let start = unsafe image_start
    // SAFETY: a number.
    let end = unsafe image_end
    guard start <= end, let first = PhysicalAddress(exactly: start),
      let last = first.advanced(byChecked: end - start)
    else { return nil }
    return first..<last
  }

  fileprivate var loaderDirectMap: LoaderDirectMap {
    // SAFETY: a number.
    let end = unsafe direct_map_end
    var directMap = LoaderDirectMap(
      base: unsafe direct_map,
      end: end == 0 ? .limit : PhysicalAddress(exactly: end & ~0xfff) ?? .limit)
    // SAFETY: a number.
    directMap.kernelHalf = unsafe kernel_half == UInt32(TESSERA_COPY) ? .copied : .adopted
    // SAFETY: a number.
    directMap.kernelLowEnd = VirtualAddress(unsafe kernel_low_end)
    return directMap
  }

  /// Whether the regions are at addresses that stay mapped: a direct map is in use before they are
  /// read for the last time.
  fileprivate var areRegionsKept: Bool {
    // SAFETY: only the address is used.
    let address = unsafe UInt64(UInt(bitPattern: regions))
    // SAFETY: numbers.
    let (count, lowEnd) = unsafe (region_count, kernel_low_end)
    let (end, overflow) = address.addingReportingOverflow(
      count &* UInt64(MemoryLayout<tessera_region>.stride))
    return address >> 63 != 0 || !overflow && end <= lowEnd
  }

  /// The direct map to build, for a kernel of which everything else stays mapped.
  fileprivate var directMapPlan: DirectMapPlan {
    // SAFETY: the header requires this memory to be mapped.
    let loader = unsafe loaderDirectMap
    var plan = DirectMapPlan(loaderBase: loader.base, loaderEnd: loader.end)
    // SAFETY: a number.
    let base = unsafe built_direct_map
    plan.base = base == 0 ? nil : base
    plan.keepsUpperHalf = true
    plan.kernelLowEnd = loader.kernelLowEnd
    plan.kernelHalf = loader.kernelHalf
    return plan
  }
}

extension KernelText {
  /// The code and the constants of `config`.
  ///
  /// - Throws: INVALID_ARGUMENT if a range ends before its start.
  @unsafe fileprivate init(_ config: tessera_config) throws(APIError) {
    // SAFETY: numbers.
    let code = unsafe (config.text_start, config.text_end)
    // SAFETY: numbers.
    let constants = unsafe (config.rodata_start, config.rodata_end)
    try check(
      code.0 <= code.1 && constants.0 <= constants.1, TESSERA_ERROR_INVALID_ARGUMENT,
      "text_end is below text_start, or rodata_end below rodata_start")
    self.init(
      code: VirtualAddress(code.0)..<VirtualAddress(code.1),
      constants: VirtualAddress(constants.0)..<VirtualAddress(constants.1))
  }
}

extension ExternalAllocator {
  /// Creates the allocator of `config`, or nil if it has none.
  ///
  /// - Throws: INVALID_POINTER if one of its functions is missing.
  @unsafe fileprivate init?(_ config: tessera_config) throws(APIError) {
    let allocate = unsafe config.allocate_frames
    let free = unsafe config.free_frames
    guard let allocate = unsafe allocate, let free = unsafe free else {
      // SAFETY: compares pointers only.
      try check(
        unsafe allocate == nil && free == nil, TESSERA_ERROR_INVALID_POINTER,
        "one of allocate_frames and free_frames is null")
      return nil
    }
    // SAFETY: the functions fulfil the contract in the header.
    unsafe self.init(allocateFrames: allocate, freeFrames: free, context: config.frames_context)
  }
}
