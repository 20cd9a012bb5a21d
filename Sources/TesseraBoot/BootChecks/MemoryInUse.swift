internal import TesseraHardware
internal import TesseraPageTables

/// The check that what the processor uses during the start lies in memory that the map reserves.
///
/// Usable memory is overwritten by the start itself, and allocated afterwards. A loader's memory
/// map often does not name the kernel's image, and never what the kernel has made since.
struct MemoryInUse<Source: MemoryRegionSource> {
  private let map: MemoryMap<Source>
  private var tables: RunningTables
  /// The part of the map that was looked up last.
  private var region = MemoryRegion(start: .zero, end: .zero, kind: .reserved)

  init(_ tables: RunningTables, on map: MemoryMap<Source>) {
    self.map = map
    self.tables = tables
  }

  /// Throws `inUsableMemory` for the code, the stack, Tessera's variables and the tables of the
  /// processor; for the IDT only if the processor `usesInterruptTable`.
  mutating func checkProcessor(usesInterruptTable: Bool) throws(BootError) {
    var failure: BootError?
    ProcessorParts.forEach(usesInterruptTable: usesInterruptTable) { part, address, byteCount in
      if failure != nil { return }
      do throws(BootError) {
        try check(part, at: address, byteCount: byteCount)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// Throws `inUsableMemory` if a part of the `byteCount` bytes at the virtual `address` is in
  /// usable memory. Bytes that are not mapped are in no memory.
  private mutating func check(
    _ part: ProcessorPart, at address: UInt64, byteCount: UInt64
  ) throws(BootError) {
    var page = address & ~4095
    let last = (address &+ byteCount &- 1) & ~4095
    while true {
      if let target = tables.target(of: max(page, address)) { try check(part, at: target) }
      if page == last { return }
      page &+= 4096
    }
  }

  /// Throws `inUsableMemory` if `address` lies in usable memory.
  mutating func check(_ part: ProcessorPart, at address: PhysicalAddress) throws(BootError) {
    if kind(at: address) == .usable { throw .inUsableMemory(address, part) }
  }

  /// The kind of memory at `address`, or nil if there is none.
  mutating func kind(at address: PhysicalAddress) -> MemoryKind? {
    if !(region.start..<region.end).contains(address) {
      guard let found = map.region(at: address) else { return nil }
      region = found
    }
    return region.kind
  }
}
