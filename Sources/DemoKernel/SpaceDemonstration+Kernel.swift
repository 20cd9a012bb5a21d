internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension SpaceDemonstration {
  /// Maps scattered frames side by side for the kernel, uses them, and lets them go.
  mutating func mapForKernel() throws(Refusal) {
    begin("map memory for the kernel")
    var segment: Segment<PlainMemory>?
    do throws(FrameError) {
      segment = try Segment(allocating: 16) { _ in PlainMemory() }
    } catch { throw .frame(error) }
    let place: UInt64
    do throws(MapError) {
      let mapping = try KernelMapping(&segment)
      place = mapping.address.rawValue
      check(mapping)
    } catch { throw .map(error) }
    checks.check(MemoryProbe.read(place) == nil, "a mapping that is gone is not there")
    end(16, " pages written, read and unmapped")
  }

  private mutating func check(_ mapping: borrowing KernelMapping) {
    var good = true
    for page in 0..<16 as Range<UInt64> {
      let place = mapping.address.rawValue + page * 4096 + page * 8
      // SAFETY: the memory is the mapping's.
      good = unsafe MemoryProbe.write(place, to: place) && good
      let target = KernelSpace.translate(VirtualAddress(place))
      let window = UInt64(PhysicalMemory.directMapBase) + (target?.address.rawValue ?? 0)
      good = good && MemoryProbe.read(window) == place && MemoryProbe.read(place) == place
    }
    checks.check(good, "what the kernel writes at its own address is there through the window")
    // SAFETY: the page is not executable; if it were, it would begin with what the loop wrote.
    let isExecuted = unsafe MemoryProbe.execute(mapping.address.rawValue + 8)
    checks.check(!isExecuted, "the kernel's data cannot be executed")
    let end = mapping.address.rawValue + 16 * 4096
    checks.check(MemoryProbe.read(end) == nil, "behind a mapping is a page that faults")
  }

  /// Reads a register of a device through leaves of each size, which must all show the same.
  ///
  /// The device is the High Precision Event Timer, whose first register never changes.
  mutating func compareLeafSizes() throws(Refusal) {
    begin("map a device (HPET) by pages of 4K, 2M, 1G")
    let register: UInt64 = 0xfed0_0000
    // An unused part of the area, 1 GiB aligned.
    let base = KernelSpace.area.lowerBound.rawValue + (1 << 37)
    var first: UInt64?
    if ProcessorFeatures().hasPageAttributeTable {
      let table = Processor.modelSpecificRegister(CachePolicy.attributeTableRegister)
      checks.check(table == CachePolicy.attributeTable, "the PAT holds what entries mean")
    }
    for number in 0..<3 as Range<UInt8> {
      guard let size = PageSize(rawValue: number), PagingMode.current.hasPages(of: size) else {
        continue
      }
      let pages = Pages(at: base, size.frameCount)
      let offset = register & (size.byteCount - 1)
      let spanned = try mapDevice(PhysicalAddress(register - offset), in: pages)
      checks.check(spanned == size.byteCount, "a device is mapped by pages as large as it allows")
      checks.check(
        KernelSpace.translate(VirtualAddress(base + offset))?.property.cachePolicy == .uncacheable,
        "a device is not cached")
      let value = MemoryProbe.read(base + offset)
      checks.check(value != nil && value == first ?? value, "leaves of all sizes show the same")
      first = first ?? value
      try pages.changeInKernel { cursor throws(MapError) in try cursor.unmap(pages.byteCount) }
    }
    console.write("  the same in each, ")
    console.write(hexadecimal: first ?? 0, digitCount: 16)
    console.writeLine()
  }

  /// Maps a device's memory from `address` on in `pages`. Returns how many bytes its first leaf
  /// spans.
  private func mapDevice(
    _ address: PhysicalAddress, in pages: Pages
  ) throws(Refusal) -> UInt64? {
    var spanned: UInt64?
    try pages.changeInKernel { cursor throws(MapError) in
      // SAFETY: it is unmapped before anyone else uses the device.
      try unsafe cursor.mapDevice(address, byteCount: pages.byteCount, as: .device)
      try? cursor.jump(to: VirtualAddress(pages.start))
      spanned = try? cursor.query().byteCount
    }
    return spanned
  }
}
