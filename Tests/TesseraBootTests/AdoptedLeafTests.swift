import TesseraBoot
import TesseraHardware
import TesseraPageTables
import Testing

@Suite("Adopted leaf") struct AdoptedLeafTests {
  @Test func `an adopted leaf keeps its memory type`() {
    // The PAT of one loader: WB, WT, UC-, UC, WP, WC.
    let loaders: UInt64 = 0x0007_0105_0007_0406
    let writeThrough: UInt64 = 1 << 3
    let cacheDisable: UInt64 = 1 << 4
    let expected: [(UInt64, Bool, CachePolicy)] = [
      (0, false, .writeBack), (writeThrough, false, .writeThrough),
      (cacheDisable, false, .uncacheable), (writeThrough | cacheDisable, false, .uncacheable),
      (0, true, .writeThrough), (writeThrough, true, .writeCombining),
    ]
    for size in [PageSize.fourKiB, .twoMiB, .oneGiB] {
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
