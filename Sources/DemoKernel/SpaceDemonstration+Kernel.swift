internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension SpaceDemonstration {
  /// Maps frames in the kernel virtual area, uses them, and unmaps them.
  mutating func mapForKernel() throws(TesseraError) {
    begin("map kernel memory")
    var segment: Segment<PlainMemory>? = try Segment(allocating: 16) { _ in PlainMemory() }
    let place: UInt64
    do {
      let mapping = try KernelMapping(&segment)
      place = mapping.address.rawValue
      check(mapping)
    }
    checks.check(MemoryProbe.read(place) == nil, "reading a destroyed mapping faults")
    end(16, " pages written, read and unmapped")
  }

  private mutating func check(_ mapping: borrowing KernelMapping) {
    var good = true
    for page in 0..<16 as Range<UInt64> {
      let place = mapping.address.rawValue + page * 4096 + page * 8
      // SAFETY: the memory is the mapping's.
      good = unsafe MemoryProbe.write(place, to: place) && good
      let target = KernelSpace.translate(VirtualAddress(place))
      let alias = UInt64(PhysicalMemory.directMapBase) + (target?.address.rawValue ?? 0)
      good = good && MemoryProbe.read(alias) == place && MemoryProbe.read(place) == place
    }
    checks.check(good, "words written through a kernel mapping are read through the direct map")
    // SAFETY: the page is not executable; if it were, it would begin with what the loop wrote.
    let isExecuted = unsafe MemoryProbe.execute(mapping.address.rawValue + 8)
    checks.check(!isExecuted, "kernel data cannot be executed")
    let end = mapping.address.rawValue + 16 * 4096
    checks.check(MemoryProbe.read(end) == nil, "the page after a kernel mapping faults")
  }

  /// Reads a device register through leaves of each size, which must give the same value.
  ///
  /// The device is the High Precision Event Timer, whose first register is constant.
  mutating func compareLeafSizes() throws(TesseraError) {
    begin("map a device (HPET) by 4K, 2M, 1G pages")
    let register: UInt64 = 0xfed0_0000
    // An unused part of the kernel virtual area, 1 GiB aligned.
    let base = KernelSpace.area.lowerBound.rawValue + (1 << 37)
    var first: UInt64?
    if ProcessorFeatures().hasPageAttributeTable {
      let table = Processor.modelSpecificRegister(CachePolicy.attributeTableRegister)
      checks.check(table == CachePolicy.attributeTable, "IA32_PAT matches the cache policies")
    }
    for number in 0..<3 as Range<UInt8> {
      guard let size = PageSize(rawValue: number), PagingMode.current.hasPages(of: size) else {
        continue
      }
      let pages = Pages(at: base, size.frameCount)
      let offset = register & (size.byteCount - 1)
      let spanned = try mapDevice(PhysicalAddress(register - offset), in: pages)
      checks.check(spanned == size.byteCount, "a device is mapped by the largest possible pages")
      checks.check(
        KernelSpace.translate(VirtualAddress(base + offset))?.property.cachePolicy == .uncacheable,
        "a device mapping is uncacheable")
      let value = MemoryProbe.read(base + offset)
      checks.check(
        value != nil && value == first ?? value, "leaves of all sizes read the same register")
      first = first ?? value
      try KernelSpace.withCursor(over: pages.range) { cursor throws(TesseraError) in
        try cursor.unmap(pages.byteCount)
      }
    }
    console.write("  same value in each: ")
    console.write(hexadecimal: first ?? 0, digitCount: 16)
    console.writeLine()
  }

  /// Maps device memory at `address` in `pages`. Returns the size of the first leaf.
  private func mapDevice(
    _ address: PhysicalAddress, in pages: Pages
  ) throws(TesseraError) -> UInt64? {
    var spanned: UInt64?
    try KernelSpace.withCursor(over: pages.range) { cursor throws(TesseraError) in
      // SAFETY: no driver uses the device, and it is unmapped at once.
      try unsafe cursor.mapDevice(address, byteCount: pages.byteCount, as: .device)
      try? cursor.jump(to: VirtualAddress(pages.start))
      spanned = try? cursor.query().byteCount
    }
    return spanned
  }
}
