import TesseraHardware
import TestSupport
import Testing

@Suite("Cache policy") struct CachePolicyTests {
  /// Intel SDM Vol. 3A, "Page Attribute Table (PAT)", "Memory Types That Can Be Encoded With PAT".
  private let memoryTypes: [UInt64: String] = [
    0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB", 7: "UC-",
  ]

  private func names(of table: UInt64) -> [String?] {
    (0..<8).map { memoryTypes[table >> (8 * UInt64($0)) & 0xff] }
  }

  @Test func `the table holds the four policies twice`() {
    let names = names(of: CachePolicy.attributeTable)
    #expect(names == ["WB", "WT", "WC", "UC", "WB", "WT", "WC", "UC"])
    #expect(CachePolicy.attributeTableRegister == 0x277)
  }

  @Test func `the table at reset is another, so the names can differ`() {
    // "PAT Initialization": what the register holds until it is written.
    let names = names(of: 0x0007_0406_0007_0406)
    #expect(names == ["WB", "WT", "UC-", "UC", "WB", "WT", "UC-", "UC"])
  }

  @Test func `a leaf chooses its policy by what the table holds there`() {
    let expected: [(CachePolicy, String)] = [
      (.writeBack, "WB"), (.writeThrough, "WT"), (.writeCombining, "WC"), (.uncacheable, "UC"),
    ]
    let names = names(of: CachePolicy.attributeTable)
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

  @Test func `a loader's leaf keeps its memory type in our numbers`() {
    // Write back, write through, UC-, UC, write protected, write combining: as one loader has it.
    let loaders: UInt64 = 0x0007_0105_0007_0406
    let writeThrough: UInt64 = 1 << 3
    let cacheDisable: UInt64 = 1 << 4
    let expected: [(UInt64, Bool, CachePolicy)] = [
      (0, false, .writeBack), (writeThrough, false, .writeThrough),
      (cacheDisable, false, .uncacheable), (writeThrough | cacheDisable, false, .uncacheable),
      (0, true, .writeThrough), (writeThrough, true, .writeCombining),
    ]
    for size in Samples.sizes {
      let attribute: UInt64 = size == .fourKiB ? 1 << 7 : 1 << 12
      let large: UInt64 = size == .fourKiB ? 0 : 1 << 7
      for (bits, hasAttribute, policy) in expected {
        let raw = 0x4000_0003 | large | bits | (hasAttribute ? attribute : 0)
        let leaf = PageTableEntry(rawValue: raw).adopted(size: size, attributeTable: loaders)
        #expect(leaf.property(size: size).cachePolicy == policy, "\(bits) of \(size)")
        #expect(leaf.leafAddress(size: size) == PhysicalAddress(0x4000_0000))
        #expect(leaf.isLeaf && !leaf.ownsFrame)
      }
    }
  }
}
