import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Leaves, for all properties, sizes, counts, physical widths, and modes.
@Suite("Leaf entry") struct LeafEntryTests {
  private struct Case {
    let mode: PagingMode
    let size: PageSize
    let ownsFrame: Bool
    let parts: PropertyParts
    let address: PhysicalAddress
    let leaf: PageTableEntry

    /// What must come back: the parts, or what a processor without NX makes of them.
    var expected: PropertyParts { mode.hasNoExecute ? parts : parts.withoutNoExecute }

    var name: String {
      "\(parts) of \(size) at \(address), counted: \(ownsFrame), in \(mode)"
        + " as \(Samples.hexadecimal(leaf))"
    }
  }

  /// 69 120 for each width.
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

  @Test func `all 960 properties are tried`() {
    #expect(PropertyParts.all.count == 5 * 3 * 4 * 16)
    var seen: Set<UInt64> = []
    for parts in PropertyParts.all { seen.insert(parts.property.bits) }
    #expect(seen.count == 960)
  }

  @Test(arguments: Samples.widths)
  func `what a leaf is made of comes back from it`(width: Int) {
    var tally = Tally()
    forEachCase(width: width) { one in
      let property = one.leaf.property(size: one.size)
      tally.claim(PropertyParts(of: property) == one.expected, "property: " + one.name)
      tally.claim(property == one.expected.property, "bits of the property: " + one.name)
      tally.claim(one.leaf.leafAddress(size: one.size) == one.address, "address: " + one.name)
      tally.claim(one.leaf.ownsFrame == one.ownsFrame, "counted: " + one.name)
      let isKind = one.leaf.isLeaf && !one.leaf.isTable && !one.leaf.isStatus
      tally.claim(isKind && !one.leaf.isAbsent && one.leaf.status == nil, "kind: " + one.name)
      tally.claim(one.leaf.isPresent == (one.parts.access != .none), "present: " + one.name)
    }
    tally.expectAll(atLeast: 6 * Self.caseCount)
  }

  @Test(arguments: Samples.widths)
  func `a processor reads from a leaf what was put in, and finds no reserved bit`(width: Int) {
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
  func `a leaf that is not present names no memory of the processor`(width: Int) {
    var tally = Tally()
    let limit = (1 as UInt64) << UInt64(width)
    forEachCase(width: width) { one in
      guard !one.leaf.isPresent else { return }
      let field = one.leaf.rawValue & 0x000f_ffff_ffff_f000
      if width < 52 {
        tally.claim(field >= limit, one.name)
      } else if one.address.rawValue < 1 << 51 {
        // With 52 bits every number is an address. Those of the lower half get one of the upper.
        tally.claim(field >= 1 << 51, one.name)
      }
    }
    tally.expectAll(atLeast: Self.caseCount / 5 / 3)
  }

  @Test func `with 52 address bits a page of the upper half names the lower while not present`() {
    // The limit of the form, which the type's comment states.
    let mode = PagingMode(physicalAddressWidth: 52)
    let leaf = PageTableEntry.leaf(
      at: PhysicalAddress(1 << 51), property: PageProperty(.none), size: .fourKiB, ownsFrame: true,
      mode: mode)
    #expect(leaf.rawValue & 0x000f_ffff_ffff_f000 == 0x0007_ffff_ffff_f000)
    #expect(leaf.leafAddress(size: .fourKiB) == PhysicalAddress(1 << 51))
    #expect(!leaf.violatesReservedBits(at: .leafTable, mode: mode))
  }

  @Test(arguments: Samples.widths)
  func `no leaf has an entry that the validity check objects to`(width: Int) {
    var tally = Tally()
    forEachCase(width: width) { one in
      let level = PagingLevel(leafOf: one.size)
      tally.claim(!one.leaf.violatesReservedBits(at: level, mode: one.mode), one.name)
      tally.claim(!one.leaf.violatesOwnershipBits(at: level), "marks: " + one.name)
      tally.claim(one.leaf.isLarge(at: level) == (one.size != .fourKiB), "large: " + one.name)
    }
    tally.expectAll(atLeast: 3 * Self.caseCount)
  }

  @Test func `a page that nobody may touch has no rights on a processor without no-execute`() {
    let mode = PagingMode(hasNoExecute: false)
    for size in Samples.sizes {
      let hidden = PageProperty(.none)
      let leaf = PageTableEntry.leaf(
        at: PhysicalAddress(0x4000_0000), property: hidden, size: size, ownsFrame: false,
        mode: mode)
      #expect(leaf.property(size: size) == hidden)
    }
  }

  @Test func `a table is for programs only if it is said to be`() {
    let address = PhysicalAddress(0x5000)
    #expect(PageTableEntry.table(at: address, isUser: false).rawValue & 0b100 == 0)
    #expect(PageTableEntry.table(at: address, isUser: true).rawValue & 0b100 != 0)
  }

  @Test func `a leaf chooses its policy by what the table holds there`() {
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
