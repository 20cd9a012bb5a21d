import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Every bit of every kind of entry, compared with the tables of the Intel SDM.
@Suite("Entry format") struct EntryFormatTests {
  /// Entries of all kinds at `level`, to flip one bit at a time.
  private func seeds(level: PagingLevel) -> [PageTableEntry] {
    var seeds = [
      PageTableEntry.absent, .status(0), .status(0xffff_ffff),
      .table(at: PhysicalAddress(0x1000), mode: Samples.mode),
      .table(at: PhysicalAddress(0xffff_f000), isUser: true, mode: Samples.mode),
    ]
    guard let size = level.pageSize else { return seeds }
    for parts in PropertyParts.all where !parts.isAccessed && parts.software == 2 {
      seeds.append(
        .leaf(
          at: PhysicalAddress(0x4000_0000), property: parts.property, size: size, ownsFrame: true,
          mode: Samples.mode))
    }
    return seeds
  }

  private let modes = [32, 36, 39, 40, 46, 48, 51, 52].flatMap { width in
    [true, false].flatMap { flag in
      [
        PagingMode(physicalAddressWidth: width, hasOneGiBPages: flag, hasNoExecute: true),
        PagingMode(physicalAddressWidth: width, hasOneGiBPages: flag, hasNoExecute: false),
      ]
    }
  }

  @Test(arguments: 1...5)
  func `each single bit is decoded as the manual specifies`(level: Int) {
    var tally = Tally()
    for mode in modes {
      for seed in seeds(level: PagingLevel(level)) {
        for bit in 0..<64 {
          let entry = PageTableEntry(rawValue: seed.rawValue ^ 1 << UInt64(bit))
          compare(entry, level: PagingLevel(level), mode, &tally)
        }
      }
    }
    tally.expectAll(atLeast: modes.count * 5 * 64)
  }

  private func compare(
    _ entry: PageTableEntry, level: PagingLevel, _ mode: PagingMode, _ tally: inout Tally
  ) {
    let name = "\(Samples.hexadecimal(entry)) at level \(level.number) in \(mode)"
    tally.claim(entry.isPresent == (entry.rawValue & 1 == 1), "present: " + name)
    guard entry.isPresent else { return }
    let kind = ManualFormat.kind(
      of: entry.rawValue, level: level.number, hasOneGiBPages: mode.hasOneGiBPages)
    guard let kind else {
      tally.claim(entry.violatesReservedBits(at: level, mode: mode), "no such page: " + name)
      return
    }
    let format = ManualFormat(
      kind, width: mode.physicalAddressWidth, nxe: mode.hasNoExecute)
    let isLarge = kind == .twoMiBPage || kind == .oneGiBPage
    tally.claim(entry.isLarge(at: level) == isLarge, "large: " + name)
    let isBad = format.has(.reserved, in: entry)
    tally.claim(entry.violatesReservedBits(at: level, mode: mode) == isBad, "reserved: " + name)
    if isBad { return }
    guard isLarge || kind == .fourKiBPage, let size = level.pageSize else {
      let address = entry.rawValue & format.mask(.address)
      tally.claim(entry.tableAddress.rawValue == address, "table: " + name)
      return
    }
    let address = entry.rawValue & format.mask(.address)
    tally.claim(entry.leafAddress(size: size).rawValue == address, "address: " + name)
    let found = PropertyParts(of: entry.property(size: size))
    tally.claim(found == PropertyParts(of: entry, format: format), "property: " + name)
  }

  @Test func `all software bits are ignored by the processor`() {
    let bits = PageTableEntry.leafBit | PageTableEntry.ownsFrameBit | PageTableEntry.statusBit
    for kind in ManualFormat.Kind.allCases {
      let ignored = ManualFormat(kind, width: 46, nxe: true).mask(.ignored)
      #expect(bits & ~ignored == 0)
      #expect(PageProperty(.none).with(software: 3).bits & 3 << 52 & ~ignored == 0)
    }
  }

  @Test func `the PAT bit of a small page is never read as a large page`() {
    let entry = PageTableEntry(rawValue: 0x1000 | PageTableEntry.present | 1 << 7)
    #expect(!entry.isLarge(at: .leafTable))
    #expect(entry.isLarge(at: PagingLevel(2)))
    #expect(entry.isLarge(at: PagingLevel(3)))
    #expect(!entry.isLarge(at: PagingLevel(4)))
    #expect(!entry.isLarge(at: PagingLevel(5)))
    #expect(entry.leafAddress(size: .fourKiB) == PhysicalAddress(0x1000))
    #expect(!entry.violatesReservedBits(at: .leafTable, mode: Samples.mode))
  }

  @Test func `the PAT bit of a large page is no part of its address`() {
    for size in [PageSize.twoMiB, .oneGiB] {
      let rawValue = 0x8000_0000 | PageTableEntry.present | PageTableEntry.largePage | 1 << 12
      let entry = PageTableEntry(rawValue: rawValue)
      #expect(entry.leafAddress(size: size) == PhysicalAddress(0x8000_0000))
      let level = PagingLevel(leafOf: size)
      #expect(!entry.violatesReservedBits(at: level, mode: Samples.mode))
    }
  }

  @Test(arguments: Samples.widths)
  func `a table entry has no reserved bit set and round-trips its address`(width: Int) {
    for address in Samples.addresses(size: .fourKiB, width: width) {
      for isUser in [false, true] {
        for mode in Samples.modes(width: width) {
          let entry = PageTableEntry.table(at: address, isUser: isUser, mode: mode)
          #expect(entry.tableAddress == address)
          #expect(entry.isTable && entry.isPresent && !entry.isLeaf && !entry.ownsFrame)
          #expect(!entry.isAbsent && !entry.isStatus && entry.status == nil)
          for level in 2...mode.rootLevel.number {
            let kind = ManualFormat.kind(of: entry.rawValue, level: level, hasOneGiBPages: true)
            let format = ManualFormat(kind!, width: width, nxe: mode.hasNoExecute)
            #expect(!format.has(.reserved, in: entry))
            #expect(format.has(.writable, in: entry) && !format.has(.executeDisable, in: entry))
            #expect(format.has(.user, in: entry) == isUser)
            #expect(!entry.isLarge(at: PagingLevel(level)))
            #expect(!entry.violatesReservedBits(at: PagingLevel(level), mode: mode))
            #expect(!entry.violatesOwnershipBits(at: PagingLevel(level)))
          }
        }
      }
    }
  }
}
