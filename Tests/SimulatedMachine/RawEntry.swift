/// A word of a page table, decoded according to the manual (Intel SDM Vol. 3A, "4-Level Paging and
/// 5-Level Paging").
///
/// Levels are counted from 1, where entries map 4 KiB.
struct RawEntry {
  let word: UInt64

  var isPresent: Bool { word & 1 != 0 }
  var isAccessed: Bool { word >> 5 & 1 != 0 }
  var isDirty: Bool { word >> 6 & 1 != 0 }
  var isGlobal: Bool { word >> 8 & 1 != 0 }

  /// Returns whether the entry, if present, maps a page rather than leading to a table.
  ///
  /// Bit 7 decides at levels 2 and 3. At level 1 it is PAT, and above level 3 it is reserved.
  func isPage(level: Int) -> Bool { level == 1 || (level <= 3 && word >> 7 & 1 != 0) }

  var rights: PageRights {
    var rights: PageRights = []
    if word >> 2 & 1 != 0 { rights.insert(.user) }
    if word >> 1 & 1 != 0 { rights.insert(.write) }
    if word >> 63 & 1 == 0 { rights.insert(.execute) }
    return rights
  }

  /// The address of the table that the entry leads to.
  var tableAddress: UInt64 { word & 0x000f_ffff_ffff_f000 }

  /// Returns the address of the page that the entry maps.
  func pageAddress(level: Int) -> UInt64 { tableAddress & ~(Self.byteCount(level: level) - 1) }

  /// Returns the index of the memory type in the PAT register: PWT, PCD and the PAT bit, which is
  /// bit 7 of an entry for 4 KiB and bit 12 of the others.
  func memoryTypeIndex(level: Int) -> UInt8 {
    UInt8(word >> 3 & 3) | UInt8(word >> (level == 1 ? 7 : 12) & 1) << 2
  }

  /// Returns whether a reserved bit of the present entry is set.
  @inline(__always)
  func hasReservedBit(level: Int, _ registers: PagingRegisters) -> Bool {
    let highest: UInt64 = 0x000f_ffff_ffff_ffff
    var reserved = highest & ~((1 << UInt64(registers.physicalAddressWidth)) - 1)
    if !registers.hasNoExecute { reserved |= 1 << 63 }
    if level >= 4 || (level == 3 && !registers.hasOneGiBPages) { reserved |= 1 << 7 }
    // The bits between PAT and the address of a large page.
    if level == 2 && isPage(level: 2) { reserved |= 0x0000_0000_001f_e000 }
    if level == 3 && isPage(level: 3) { reserved |= 0x0000_0000_3fff_e000 }
    return word & reserved != 0
  }

  /// Returns the number of bytes that an entry of a table at `level` translates.
  static func byteCount(level: Int) -> UInt64 { 1 << UInt64(12 + 9 * (level - 1)) }

  /// Returns the index of the entry that translates `address` in a table at `level`.
  static func index(of address: UInt64, level: Int) -> Int {
    Int(address >> UInt64(12 + 9 * (level - 1)) & 0x1ff)
  }
}
