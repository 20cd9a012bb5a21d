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

  @Test func `the table contains the four policies twice`() {
    let names = names(of: CachePolicy.attributeTable)
    #expect(names == ["WB", "WT", "WC", "UC", "WB", "WT", "WC", "UC"])
    #expect(CachePolicy.attributeTableRegister == 0x277)
  }

  @Test func `the table at reset differs`() {
    // The reset value ("PAT Initialization").
    let names = names(of: 0x0007_0406_0007_0406)
    #expect(names == ["WB", "WT", "UC-", "UC", "WB", "WT", "UC-", "UC"])
  }
}
