import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Leaves of all properties, sizes, ownerships, physical address widths and modes.
@Suite("Leaf entry") struct LeafEntryTests {
  private struct Case {
    let mode: PagingMode
    let size: PageSize
    let ownsFrame: Bool
    let parts: PropertyParts
    let address: PhysicalAddress
    let leaf: PageTableEntry

    /// The expected parts: without NX, everything is executable.
    var expected: PropertyParts { mode.hasNoExecute ? parts : parts.withoutNoExecute }

    var name: String {
      "\(parts) of \(size) at \(address), owning: \(ownsFrame), in \(mode)"
        + " as \(Samples.hexadecimal(leaf))"
    }
  }

  /// The number of cases for each width.
  private static let caseCount = PropertyParts.all.count * 3 * 2 * 4 * 3

  private func forEachCase(width: Int, _ body: (Case) -> Void) {
    for mode in Samples.modes(width: width) {
      for size in Samples.sizes {
        let addresses = Samples.addresses(size: size, width: width)
        for parts in PropertyParts.all {
          let property = parts.property
          for ownsFrame in [false, true] {
            for address in addresses {
              let leaf = PageTableEntry.leaf(
                at: address, property: property, size: size, ownsFrame: ownsFrame, mode: mode)
              body(
                Case(
                  mode: mode, size: size, ownsFrame: ownsFrame, parts: parts, address: address,
                  leaf: leaf))
            }
          }
        }
      }
    }
  }

  @Test func `there are 960 properties`() {
    #expect(PropertyParts.all.count == 5 * 3 * 4 * 16)
    var seen: Set<UInt64> = []
    for parts in PropertyParts.all { seen.insert(parts.property.bits) }
    #expect(seen.count == 960)
  }

  @Test(arguments: Samples.widths)
  func `a leaf round-trips its parts`(width: Int) {
    var tally = Tally()
    forEachCase(width: width) { one in
      let property = one.leaf.property(size: one.size)
      tally.claim(PropertyParts(of: property) == one.expected, "property: " + one.name)
      tally.claim(property == one.expected.property, "bits of the property: " + one.name)
      tally.claim(one.leaf.leafAddress(size: one.size) == one.address, "address: " + one.name)
      tally.claim(one.leaf.ownsFrame == one.ownsFrame, "owning: " + one.name)
      let isKind = one.leaf.isLeaf && !one.leaf.isTable && !one.leaf.isStatus
      tally.claim(isKind && !one.leaf.isAbsent && one.leaf.status == nil, "kind: " + one.name)
      tally.claim(one.leaf.isPresent == (one.parts.access != .none), "present: " + one.name)
    }
    tally.expectAll(atLeast: 6 * Self.caseCount)
  }

  @Test(arguments: Samples.widths)
  func `a leaf has the format of the manual, without reserved bits`(width: Int) {
    var tally = Tally()
    for noExecute in [true, false] {
      let formats = Samples.sizes.map {
        ManualFormat(ManualFormat.kind(of: $0), width: width, nxe: noExecute)
      }
      forEachCase(width: width) { one in
        guard one.mode.hasNoExecute == noExecute, one.leaf.isPresent else { return }
        let format = formats[Int(one.size.rawValue)]
        tally.claim(!format.has(.reserved, in: one.leaf), "reserved bit: " + one.name)
        tally.claim(
          one.leaf.rawValue & format.mask(.address) == one.address.rawValue, "address: " + one.name)
        tally.claim(
          PropertyParts(of: one.leaf, format: format) == one.expected, "property: " + one.name)
        tally.claim(!format.has(.attribute, in: one.leaf), "PAT: " + one.name)
        tally.claim(
          format.has(.pageSize, in: one.leaf) == (one.size != .fourKiB), "size: " + one.name)
      }
    }
    tally.expectAll(atLeast: 5 * Self.caseCount * 4 / 5)
  }

  @Test(arguments: Samples.widths)
  func `the address field of a non-present leaf is beyond memory`(width: Int) {
    var tally = Tally()
    let limit = (1 as UInt64) << UInt64(width)
    forEachCase(width: width) { one in
      guard !one.leaf.isPresent else { return }
      let field = one.leaf.rawValue & 0x000f_ffff_ffff_f000
      if width < 52 {
        tally.claim(field >= limit, one.name)
      } else if one.address.rawValue < 1 << 51 {
        // With 52 bits every number is an address: the lower half is moved to the upper half.
        tally.claim(field >= 1 << 51, one.name)
      }
    }
    tally.expectAll(atLeast: Self.caseCount / 5 / 3)
  }

  @Test func `with 52 address bits a non-present leaf maps the upper half to the lower`() {
    // A limit of the encoding, documented at the type.
    let mode = PagingMode(physicalAddressWidth: 52)
    let leaf = PageTableEntry.leaf(
      at: PhysicalAddress(1 << 51), property: PageProperty(.none), size: .fourKiB, ownsFrame: true,
      mode: mode)
    #expect(leaf.rawValue & 0x000f_ffff_ffff_f000 == 0x0007_ffff_ffff_f000)
    #expect(leaf.leafAddress(size: .fourKiB) == PhysicalAddress(1 << 51))
    #expect(!leaf.violatesReservedBits(at: .leafTable, mode: mode))
  }

  @Test(arguments: Samples.widths)
  func `every leaf passes the validity check`(width: Int) {
    var tally = Tally()
    forEachCase(width: width) { one in
      let level = PagingLevel(leafOf: one.size)
      tally.claim(!one.leaf.violatesReservedBits(at: level, mode: one.mode), one.name)
      tally.claim(!one.leaf.violatesOwnershipBits(at: level), "software bits: " + one.name)
      tally.claim(one.leaf.isLarge(at: level) == (one.size != .fourKiB), "large: " + one.name)
    }
    tally.expectAll(atLeast: 3 * Self.caseCount)
  }

  @Test func `a page without access stays inaccessible without no-execute`() {
    let mode = PagingMode(hasNoExecute: false)
    for size in Samples.sizes {
      let hidden = PageProperty(.none)
      let leaf = PageTableEntry.leaf(
        at: PhysicalAddress(0x4000_0000), property: hidden, size: size, ownsFrame: false,
        mode: mode)
      #expect(leaf.property(size: size) == hidden)
    }
  }

  @Test func `a table entry has the user bit only if requested`() {
    let address = PhysicalAddress(0x5000)
    #expect(PageTableEntry.table(at: address, isUser: false).rawValue & 0b100 == 0)
    #expect(PageTableEntry.table(at: address, isUser: true).rawValue & 0b100 != 0)
  }

  @Test func `each cache policy selects its memory type in the PAT`() {
    let expected: [(CachePolicy, String)] = [
      (.writeBack, "WB"), (.writeThrough, "WT"), (.writeCombining, "WC"), (.uncacheable, "UC"),
    ]
    // Intel SDM Vol. 3A, "Page Attribute Table (PAT)", "Memory Types That Can Be Encoded With PAT".
    let memoryTypes: [UInt64: String] = [0: "UC", 1: "WC", 4: "WT", 6: "WB"]
    let names = (0..<8).map { memoryTypes[CachePolicy.attributeTable >> (8 * UInt64($0)) & 0xff] }
    for (policy, name) in expected {
      for size in Samples.sizes {
        let leaf = PageTableEntry.leaf(
          at: PhysicalAddress(0), property: .kernelRead.with(cachePolicy: policy), size: size,
          ownsFrame: false, mode: Samples.mode)
        let format = ManualFormat(ManualFormat.kind(of: size), width: 52, nxe: true)
        let index =
          (format.has(.attribute, in: leaf) ? 4 : 0) + (format.has(.cacheDisable, in: leaf) ? 2 : 0)
          + (format.has(.writeThrough, in: leaf) ? 1 : 0)
        #expect(names[index] == name)
      }
    }
  }
}
