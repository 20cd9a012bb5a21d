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
    guard let image = unsafe config.image else { throw APIError(TESSERA_ERROR_INVALID_ARGUMENT) }
    let isKnown = unsafe config.kernel_half <= UInt32(TESSERA_COPY) && config.flags == 0
    try check(isKnown, TESSERA_ERROR_INVALID_ARGUMENT)
    let directMap = unsafe config.loaderDirectMap
    // SAFETY: the header requires the direct map to be mapped.
    unsafe self.init(regions: regions, kernelImage: image, directMap: .loader(directMap))
    processorCount = unsafe max(1, Int(config.processor_count))
    unsafe externalAllocator = try ExternalAllocator(config)
  }
}

extension tessera_config {
  /// Copies the structure at `pointer`. Fields that an earlier version lacks are zero.
  ///
  /// - Throws: INVALID_POINTER, INVALID_SIZE.
  @unsafe init(at pointer: UnsafePointer<tessera_config>?) throws(APIError) {
    let pointer = unsafe try check(pointer)
    // SAFETY: valid during the call, and every version starts with the size.
    let size = unsafe pointer.pointee.size
    // SAFETY: reads a size only.
    let whole = unsafe UInt64(MemoryLayout<tessera_config>.size)
    // The first version ended before the external allocator.
    let first = whole - 3 * UInt64(MemoryLayout<UInt64>.size)
    try check(size == whole || size == first, TESSERA_ERROR_INVALID_SIZE)
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
      try check(unsafe allocate == nil && free == nil, TESSERA_ERROR_INVALID_POINTER)
      return nil
    }
    // SAFETY: the functions fulfil the contract in the header.
    unsafe self.init(allocateFrames: allocate, freeFrames: free, context: config.frames_context)
  }
}
