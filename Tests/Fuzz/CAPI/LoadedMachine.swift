import CTessera
import Foundation
import Tessera
import TesseraC
public import TesseraHeader

/// A machine as a boot loader leaves it: memory, and tables that show it, at low addresses.
///
/// The memory of this process that plays the machine's lies at a fixed address, so that the tables
/// can name it. One at a time.
public final class LoadedMachine {
  /// Where the loader shows physical byte zero.
  public static let window: UInt64 = 0x4000_0000
  public static let byteCount: UInt64 = 8 << 20
  /// The loader's tables, from the one of level 4 down.
  public static let tables: [UInt64] = [0x10_0000, 0x10_1000, 0x10_2000]
  /// The root above them, if there are five levels.
  public static let fifthTable: UInt64 = 0x10_3000
  public static let image: Range<UInt64> = 0x11_0000..<0x12_0000

  private let memory: UnsafeMutableRawPointer

  /// A machine that runs on tables of so many levels.
  public init(levelCount: Int = 4) {
    let wanted = UnsafeMutableRawPointer(bitPattern: UInt(Self.window))
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | 0x10_0000  // MAP_FIXED_NOREPLACE
    guard let mapped = mmap(wanted, Int(Self.byteCount), PROT_READ | PROT_WRITE, flags, -1, 0),
      mapped == wanted
    else { fatalError("the address of the machine's memory is taken") }
    memory = mapped
    memset(memory, 0xa5, Int(Self.byteCount))
    simulated_fail_allocation(0)
    simulated_set_frame_poisoning(false)
    setLevels(levelCount)
    simulated_current_processor().pointee.number = 0
    simulated_current_processor().pointee.interrupts_enabled = true
    makeTables()
    Boot.reset()
  }

  deinit {
    Boot.reset()
    munmap(memory, Int(Self.byteCount))
    setLevels(4)
    unsafe PagingMode.install(PagingMode())
  }

  /// Registers as after a start, on a processor whose tables have so many levels.
  private func setLevels(_ count: Int) {
    simulated_set_features(
      simulated_features(
        physical_address_width: 40, has_five_levels: count == 5, has_one_gib_pages: true))
    simulated_reset_registers()
  }

  /// The table that CR3 names.
  public var root: UInt64 {
    Processor.controlRegister4.contains(.fiveLevelPaging) ? Self.fifthTable : Self.tables[0]
  }

  /// Shows all memory in pages of 2 MiB.
  private func makeTables() {
    for table in Self.tables { memset(memory + Int(table), 0, 4096) }
    setEntry(0x3 | Self.tables[1], at: 0, of: Self.tables[0])
    setEntry(0x3 | Self.tables[2], at: Int(Self.window >> 30), of: Self.tables[1])
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

  /// Some usable memory, and what the loader and the kernel take up.
  public static let regions = [
    tessera_region(start: 0, length: byteCount, kind: UInt32(TESSERA_USABLE), reserved: 0),
    tessera_region(start: tables[0], length: 0x4000, kind: UInt32(TESSERA_LOADER), reserved: 0),
    tessera_region(
      start: 0xffff_0000, length: 0x1_0000, kind: UInt32(TESSERA_RESERVED), reserved: 0),
  ]

  /// The numbers of the frames that the start with these regions finds usable: what an allocator of
  /// the kernel's has to own, because any of them can be claimed by its address.
  public static let usableFrames = [0x104..<0x110, 0x120..<Int(byteCount >> 12)]

  /// A configuration that is in order but for what `change` does to it.
  public func start(
    _ regions: [tessera_region] = regions, _ change: (inout tessera_config) -> Void = { _ in }
  ) -> Int {
    regions.withUnsafeBufferPointer { regions in
      var config = tessera_config()
      config.size = UInt64(MemoryLayout<tessera_config>.size)
      config.regions = regions.baseAddress
      config.region_count = UInt64(regions.count)
      config.direct_map = Self.window
      config.image_start = Self.image.lowerBound
      config.image_end = Self.image.upperBound
      config.kernel_low_end = Self.window + Self.byteCount
      change(&config)
      return Int(tessera_start(&config))
    }
  }
}

extension LoadedMachine {
  /// What the audit writes; empty when all is well.
  public var violations: String {
    var count: UInt64 = 0
    let text = gathering { write, context in tessera_audit(write, context, &count) }
    return count == 0 ? text : "\(count): \(text)"
  }

  /// Free frames, and those of page tables that wait to be used again.
  public var freeFrames: UInt64 {
    var statistics = tessera_statistics()
    statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
    return tessera_get_statistics(&statistics) == TESSERA_OK
      ? statistics.free_frames + statistics.pooled_tables : .max
  }
}

/// The text that `body` writes, or what it answered if it refused.
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
  if Int(status) != TESSERA_OK { return "refused: \(String(cString: tessera_strerror(status)))" }
  return String(decoding: bytes, as: UTF8.self)
}
