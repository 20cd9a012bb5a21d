import TesseraHardware
import TestSupport
import Testing

@Suite("Paging level") struct PagingLevelTests {
  @Test(
    arguments: [
      (1, 0x1000, 0x20_0000), (2, 0x20_0000, 0x4000_0000), (3, 0x4000_0000, 0x80_0000_0000),
      (4, 0x80_0000_0000, 0x1_0000_0000_0000), (5, 0x1_0000_0000_0000, 0x200_0000_0000_0000),
    ] as [(Int, UInt64, UInt64)])
  func `an entry and a table span as much as the manual says`(
    number: Int, entrySpan: UInt64, tableSpan: UInt64
  ) {
    let level = PagingLevel(number)
    #expect(level.number == number)
    #expect(level.span == entrySpan)
    #expect(1 << level.shift == entrySpan)
    #expect(level.tableSpan == tableSpan)
  }

  @Test func `only the lowest three levels have pages`() {
    #expect(Samples.levels.map(\.pageSize) == [.fourKiB, .twoMiB, .oneGiB, nil, nil])
    for size in Samples.sizes {
      let level = PagingLevel(leafOf: size)
      #expect(level.pageSize == size)
      #expect(level.span == size.byteCount)
    }
    #expect(PagingLevel.leafTable == PagingLevel(leafOf: .fourKiB))
  }

  @Test func `levels are ordered from the bottom`() {
    for (lower, upper) in zip(Samples.levels, Samples.levels.dropFirst()) {
      #expect(lower.above == upper)
      #expect(upper.below == lower)
      #expect(lower < upper && !(upper < lower))
      #expect(lower.tableSpan == upper.span)
    }
  }
}
