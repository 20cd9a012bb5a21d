import CTessera
import Foundation
import Tessera
import TesseraC
public import TesseraHeader

/// A machine as left by a boot loader: memory, and page tables that map it at low addresses.
///
/// The machine's memory is mapped into this process at a fixed address, the one that the tables map
/// it at. There can be one machine at a time.
public final class LoadedMachine {
  /// The virtual address of physical address zero in the loader's tables.
  public static let directMap: UInt64 = 0x4000_0000
  public static let byteCount: UInt64 = 8 << 20
  /// The loader's tables, starting with level 4.
  public static let tables: [UInt64] = [0x10_0000, 0x10_1000, 0x10_2000]
  /// The level 5 root, if there are five levels.
  public static let fifthTable: UInt64 = 0x10_3000
  public static let image: Range<UInt64> = 0x11_0000..<0x12_0000

  private let memory: UnsafeMutableRawPointer
  private let keepsMemory: Bool
  /// The memory that a machine has left for the next one. Access: as machines, by one at a time.
  nonisolated(unsafe) private static var keptMemory: UnsafeMutableRawPointer?

  /// Creates a machine with page tables of that many levels.
  ///
  /// If it `keepsMemory`, it leaves its memory to the next machine, which then starts faster, on
  /// the contents that this one has left.
  public init(levelCount: Int = 4, keepsMemory: Bool = false) {
    self.keepsMemory = keepsMemory
    memory = Self.keptMemory ?? Self.mapMemory()
    Self.keptMemory = nil
    if !keepsMemory { memset(memory, 0xa5, Int(Self.byteCount)) }
    simulated_fail_allocation(0)
    simulated_set_frame_poisoning(false)
    setLevels(levelCount)
    simulated_require_first_processor()
    simulated_set_interrupt_handler { tessera_serve() }
    makeTables()
    Boot.reset()
    Pager.forget()
    Heap.forget()
  }

  private static func mapMemory() -> UnsafeMutableRawPointer {
    let wanted = UnsafeMutableRawPointer(bitPattern: UInt(directMap))
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10_0000  // MAP_FIXED_NOREPLACE
    guard let mapped = mmap(wanted, Int(byteCount), PROT_READ | PROT_WRITE, flags, -1, 0),
      mapped == wanted
    else { fatalError("the address of the machine's memory is in use") }
    memset(mapped, 0xa5, Int(byteCount))
    return mapped
  }

  deinit {
    simulated_require_first_processor()
    Boot.reset()
    if keepsMemory {
      Self.keptMemory = memory
    } else {
      munmap(memory, Int(Self.byteCount))
    }
    setLevels(4)
    unsafe PagingMode.install(PagingMode())
  }

  /// Sets the registers as a loader leaves them, with page tables of that many levels.
  private func setLevels(_ count: Int) {
    simulated_set_features(
      simulated_features(
        physical_address_width: 40, has_five_levels: count == 5, has_one_gib_pages: true,
        has_context_identifiers: false, has_context_invalidation: false))
    simulated_reset_registers()
  }

  /// The table that CR3 points to.
  public var root: UInt64 {
    Processor.controlRegister4.contains(.fiveLevelPaging) ? Self.fifthTable : Self.tables[0]
  }

  /// Maps all memory in pages of 2 MiB, and loads the root.
  public func makeTables() {
    for table in Self.tables { memset(memory + Int(table), 0, 4096) }
    setEntry(0x3 | Self.tables[1], at: 0, of: Self.tables[0])
    setEntry(0x3 | Self.tables[2], at: Int(Self.directMap >> 30), of: Self.tables[1])
    for index in 0..<Int(Self.byteCount >> 21) {
      setEntry(0x8000_0000_0000_0083 | UInt64(index) << 21, at: index, of: Self.tables[2])
    }
    if root == Self.fifthTable {
      memset(memory + Int(root), 0, 4096)
      setEntry(0x3 | Self.tables[0], at: 0, of: root)
    }
    unsafe Processor.loadRootRegister(root)
  }

  public func entry(at index: Int, of table: UInt64) -> UInt64 {
    memory.load(fromByteOffset: Int(table) + index * 8, as: UInt64.self)
  }

  public func setEntry(_ entry: UInt64, at index: Int, of table: UInt64) {
    memory.storeBytes(of: entry, toByteOffset: Int(table) + index * 8, as: UInt64.self)
  }

  /// Usable memory, and the memory of the loader and the kernel.
  public static let regions = [
    tessera_region(start: 0, length: byteCount, kind: UInt32(TESSERA_USABLE), reserved: 0),
    tessera_region(start: tables[0], length: 0x4000, kind: UInt32(TESSERA_LOADER), reserved: 0),
    tessera_region(
      start: 0xffff_0000, length: 0x1_0000, kind: UInt32(TESSERA_RESERVED), reserved: 0),
  ]

  /// The numbers of the usable frames of these regions. An external allocator has to own them all,
  /// because any of them can be claimed by its address.
  public static let usableFrames = [0x104..<0x110, 0x120..<Int(byteCount >> 12)]

  /// Starts with a valid configuration adjusted by `change`.
  public func start(
    _ regions: [tessera_region] = regions, _ change: (inout tessera_config) -> Void = { _ in }
  ) -> Int {
    regions.withUnsafeBufferPointer { regions in
      var config = tessera_config()
      config.size = UInt64(MemoryLayout<tessera_config>.size)
      config.regions = regions.baseAddress
      config.region_count = UInt64(regions.count)
      config.direct_map = Self.directMap
      config.image_start = Self.image.lowerBound
      config.image_end = Self.image.upperBound
      config.kernel_low_end = Self.directMap + Self.byteCount
      change(&config)
      return Int(tessera_start(&config))
    }
  }
}

extension LoadedMachine {
  /// The report of the audit; empty if there are no violations.
  public var violations: String {
    var count: UInt64 = 0
    let text = gathering { write, context in tessera_audit(write, context, &count) }
    return count == 0 ? text : "\(count): \(text)"
  }

  /// The number of free frames, including pooled page-table frames.
  public var freeFrames: UInt64 {
    var statistics = tessera_statistics()
    statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
    return tessera_get_statistics(&statistics) == TESSERA_OK
      ? statistics.free_frames + statistics.pooled_tables : .max
  }
}

/// Returns the text that `body` writes, or its error.
public func gathering(
  _ body: (tessera_write_fn, UnsafeMutableRawPointer) -> tessera_result
) -> String {
  var bytes: [UInt8] = []
  let status = withUnsafeMutablePointer(to: &bytes) { place in
    body(
      { context, text, count in
        guard let context, let text else { return }
        let raw = UnsafeRawBufferPointer(start: text, count: count)
        context.assumingMemoryBound(to: [UInt8].self).pointee.append(contentsOf: raw)
      }, place)
  }
  if Int(status) != TESSERA_OK { return "error: \(String(cString: tessera_strerror(status)))" }
  return String(decoding: bytes, as: UTF8.self)
}
