/// A word of a page table, taken apart as the manual's tables of formats say (Intel SDM Vol. 3A,
/// "4-Level Paging and 5-Level Paging").
///
/// Levels count from 1, the table whose entries map 4 KiB each.
struct RawEntry {
  let word: UInt64

  var isPresent: Bool { word & 1 != 0 }
  var isAccessed: Bool { word >> 5 & 1 != 0 }
  var isDirty: Bool { word >> 6 & 1 != 0 }
  var isGlobal: Bool { word >> 8 & 1 != 0 }

  /// Whether the entry maps a page, if it is present, and not a table. Bit 7 says so in the middle
  /// levels; in level 1 it belongs to the memory type, above level 3 it must be zero.
  func isPage(level: Int) -> Bool { level == 1 || (level <= 3 && word >> 7 & 1 != 0) }

  var rights: PageRights {
    var rights: PageRights = []
    if word >> 2 & 1 != 0 { rights.insert(.user) }
    if word >> 1 & 1 != 0 { rights.insert(.write) }
    if word >> 63 & 1 == 0 { rights.insert(.execute) }
    return rights
  }

  /// The address of the table that the entry names.
  var tableAddress: UInt64 { word & 0x000f_ffff_ffff_f000 }

  /// The address of the page that the entry maps.
  func pageAddress(level: Int) -> UInt64 { tableAddress & ~(Self.byteCount(level: level) - 1) }

  /// Which field of the PAT register gives the memory type: PWT, PCD and the PAT bit, which is
  /// bit 7 of an entry for 4 KiB and bit 12 of the others.
  func memoryTypeIndex(level: Int) -> UInt8 {
    UInt8(word >> 3 & 3) | UInt8(word >> (level == 1 ? 7 : 12) & 1) << 2
  }

  /// Whether a bit is set that must be zero in a present entry.
  func hasReservedBit(level: Int, _ registers: PagingRegisters) -> Bool {
    let highest: UInt64 = 0x000f_ffff_ffff_ffff
    var reserved = highest & ~((1 << UInt64(registers.physicalAddressWidth)) - 1)
    if !registers.hasNoExecute { reserved |= 1 << 63 }
    if level >= 4 || (level == 3 && !registers.hasOneGiBPages) { reserved |= 1 << 7 }
    // Between the PAT bit and the address of a big page.
    if level == 2 && isPage(level: 2) { reserved |= 0x0000_0000_001f_e000 }
    if level == 3 && isPage(level: 3) { reserved |= 0x0000_0000_3fff_e000 }
    return word & reserved != 0
  }

  /// How many bytes one entry of a table of `level` covers.
  static func byteCount(level: Int) -> UInt64 { 1 << UInt64(12 + 9 * (level - 1)) }

  /// Which entry of a table of `level` translates `address`.
  static func index(of address: UInt64, level: Int) -> Int {
    Int(address >> UInt64(12 + 9 * (level - 1)) & 0x1ff)
  }
}
