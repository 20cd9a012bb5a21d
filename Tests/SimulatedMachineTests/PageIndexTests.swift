import Testing

@testable import SimulatedMachine

@Suite("Index of pages") struct PageIndexTests {
  /// The keys of `count` pages in a row, of each size.
  private static func keys(_ count: UInt64) -> [UInt64] {
    (0..<count).flatMap { number in
      (1...3 as ClosedRange<UInt64>).map { number << (3 + 9 * $0) | $0 }
    }
  }

  @Test func `finds what a dictionary finds, whatever was removed`() {
    let keys = Self.keys(331)
    var index = PageIndex()
    var dictionary: [UInt64: Int] = [:]
    for step in 0..<4 * keys.count {
      // Neighbours are set, replaced and removed at different times, with others between them.
      let key = keys[step * 37 % keys.count]
      if step % 5 < 3 {
        index.set(key, to: step)
        dictionary[key] = step
      } else {
        #expect(index.remove(key) == dictionary.removeValue(forKey: key) ?? -1)
      }
      let other = keys[step * 101 % keys.count]
      #expect(index[other] == dictionary[other] ?? -1)
    }
    #expect(dictionary.count > keys.count / 4 && dictionary.count < keys.count)
    for key in keys { #expect(index[key] == dictionary[key] ?? -1) }
    #expect(index.count == dictionary.count)
    var found: [Int] = []
    index.visit { found.append($0) }
    #expect(found.sorted() == dictionary.values.sorted())
  }

  @Test func `is empty after all was removed, and can be filled again`() {
    var index = PageIndex()
    for key in Self.keys(100) { index.set(key, to: 1) }
    index.removeAll()
    #expect(index.count == 0)
    for key in Self.keys(100) { #expect(index[key] == -1) }
    for key in Self.keys(100) { index.set(key, to: 2) }
    for key in Self.keys(100) { #expect(index.remove(key) == 2) }
    #expect(index.count == 0)
  }
}
