import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  @Suite("Concurrency of MMUs") struct MMUConcurrencyTests {
    @Test func `processors that remap and access a page each read a valid value`() {
      let tables = HandMadeTables(processorCount: 4)
      let machine = tables.machine
      let mmu = tables.mmu
      let wrong = Counter()
      machine.onEveryProcessor { number in
        let page = Tables.page(number)
        let entry: UInt64 = 4 << 12 + UInt64(number) * 8
        for round in 0..<500 {
          let word = Tables.open | UInt64(8 + 4 * (round & 1) + number) << 12
          HandMadeTables.exchange(word, at: entry)
          hw_invalidate_page(page)
          let seen = try? mmu.read(UInt64.self, at: page, on: number)
          if seen != UInt64(8 + 4 * (round & 1) + number) { wrong.add() }
          // The neighbour's page is mapped to one of its two frames, or not mapped yet.
          let neighbour = (number + 1) % 4
          if let other = try? mmu.read(UInt64.self, at: Tables.page(neighbour), on: number),
            other != UInt64(8 + neighbour), other != UInt64(12 + neighbour)
          {
            wrong.add()
          }
        }
      }
      #expect(wrong.value == 0)
      for number in 0..<4 {
        for page in 0..<4 { tables.invalidate(page, on: number) }
      }
      #expect(mmu.incoherences() == [])
      #expect(machine.violations == [])
      #expect(mmu.statistics.entryWrites >= 2000)
    }
  }
}
