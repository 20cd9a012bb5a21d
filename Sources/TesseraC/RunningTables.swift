internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// The page tables that the processor runs on before the start, as far as they show memory.
struct RunningTables {
  private let root: PhysicalAddress
  private let tables: RawPageTables
  private let window: UInt64

  /// The tables are to be visible from `window` on.
  init(window: UInt64) {
    root = PhysicalAddress(Processor.rootRegister & PageTableEntry.addressMask)
    // SAFETY: the kernel says so; only the tables that the processor uses are read.
    tables = unsafe RawPageTables(base: UInt(window))
    self.window = window
  }

  /// Whether every page of `region` is visible at its address plus the window, in the upper half or
  /// below `lowEnd`.
  func show(_ region: MemoryRegion, keepingBelow lowEnd: VirtualAddress) -> Bool {
    var position = region.start
    while position < region.end {
      let (address, overflow) = window.addingReportingOverflow(position.rawValue)
      let virtual = VirtualAddress(address)
      let isKept = address >> 63 == 1 || virtual < lowEnd
      guard !overflow, isKept, virtual.isCanonical, let page = page(at: virtual),
        page.target == position.rawValue & ~(page.byteCount - 1)
      else { return false }
      let step = page.byteCount - position.rawValue % page.byteCount
      guard let next = position.advanced(byChecked: step) else { return false }
      position = next
    }
    return true
  }

  /// The byte at `address`, or nil if none is there or its memory is not visible. `lowEnd` is as
  /// for `show`.
  func byte(at address: VirtualAddress, keepingBelow lowEnd: VirtualAddress) -> UInt8? {
    guard address.isCanonical, let page = page(at: address) else { return nil }
    let byte = page.target + address.rawValue % page.byteCount
    guard let frame = PhysicalAddress(exactly: byte & ~4095),
      let region = MemoryRegion(start: frame.rawValue, byteCount: 4096, kind: .usable),
      show(region, keepingBelow: lowEnd)
    else { return nil }
    let word = tables.entry(at: Int(byte % 4096 / 8), of: frame).rawValue
    return UInt8(truncatingIfNeeded: word >> (byte % 8 * 8))
  }

  /// The page that shows `address`: the first byte that it maps, and its size.
  private func page(at address: VirtualAddress) -> (target: UInt64, byteCount: UInt64)? {
    var table = root
    var level = PagingMode.current.rootLevel
    while true {
      let entry = tables.entry(at: address.index(at: level), of: table)
      guard entry.isPresent else { return nil }
      if entry.leadsToTable(at: level) {
        table = entry.tableAddress
        level = level.below
        continue
      }
      guard let size = level.pageSize else { return nil }
      return (entry.leafAddress(size: size).rawValue, size.byteCount)
    }
  }
}
