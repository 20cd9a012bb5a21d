import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  @Suite("A freed frame") struct FreedFrameTests {
    @Test(arguments: [false, true])
    func `that a processor may still access is reported`(isFlushed: Bool) {
      let tables = HandMadeTables(processorCount: 2)
      tables.map(0, to: 8)
      tables.unmap(0)
      tables.invalidate(0, on: 0)
      if isFlushed { tables.invalidate(0, on: 1) }
      tables.free(8)
      let found = tables.mmu.takeViolations()
      #expect(found.count == (isFlushed ? 0 : 1))
      #expect(found.allSatisfy { $0.contains("0x8000 was freed while processor 1 may cache") })
    }

    @Test func `that is mapped is reported, but not its neighbour`() {
      let tables = HandMadeTables()
      tables.map(0, to: 9)
      tables.free(8)
      tables.free(10)
      #expect(tables.mmu.takeViolations() == [])
      tables.free(8, count: 3)
      #expect(tables.mmu.takeViolations().count == 1)
      #expect(tables.machine.violations == [])
    }

    @Test func `in the middle of a large page is reported`() {
      let tables = HandMadeTables()
      tables.set(Tables.open | Tables.big | 512 << 12, 3, of: Tables.middle)
      tables.free(511)
      tables.free(1024)
      #expect(tables.mmu.takeViolations() == [])
      tables.free(600)
      #expect(tables.mmu.takeViolations().count == 1)
    }

    @Test(arguments: [false, true])
    func `that was a table is reported while a processor may walk it`(isFlushed: Bool) {
      let tables = HandMadeTables()
      tables.set(0, 3, of: Tables.middle)
      // INVLPG of any page flushes all cached tables.
      if isFlushed { tables.invalidate(9) }
      tables.free(Tables.leaf)
      let found = tables.mmu.takeViolations()
      #expect(found.count == (isFlushed ? 0 : 1))
      #expect(found.allSatisfy { $0.contains("as the table of level 1") })
    }

    @Test func `that was a table may be freed after a load of CR3`() {
      let tables = HandMadeTables(processorCount: 2)
      tables.set(0, 3, of: Tables.middle)
      tables.run(1) { hw_write_cr3(1 << 12) }
      tables.free(Tables.leaf)
      let found = tables.mmu.takeViolations()
      #expect(found.count == 1 && found[0].contains("processor 0"))
      hw_write_cr3(1 << 12)
      tables.free(Tables.leaf)
      #expect(tables.mmu.takeViolations() == [])
    }

    @Test(arguments: [false, true])
    func `that was a root is reported while a processor uses it`(isLeft: Bool) {
      let tables = HandMadeTables()
      if isLeft { hw_write_cr3(5 << 12) }
      tables.free(Tables.root)
      let found = tables.mmu.takeViolations()
      #expect(found.count == (isLeft ? 0 : 1))
      #expect(found.allSatisfy { $0.contains("is the root of processor 0") })
    }

    @Test(arguments: [false, true])
    func `may be mapped in a permanent range`(isPermanent: Bool) {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      if isPermanent {
        tables.mmu.options.permanentRanges = [Tables.page(0)..<Tables.page(1)]
      }
      tables.free(8)
      #expect(tables.mmu.takeViolations().count == (isPermanent ? 0 : 1))
      tables.map(1, to: 8)
      tables.free(8)
      #expect(tables.mmu.takeViolations().count == (isPermanent ? 1 : 2))
      tables.unmap(1)
      tables.invalidate(1)
      tables.unmap(0)
      tables.invalidate(0)
      tables.mmu.options.permanentRanges = []
      tables.free(8)
      #expect(tables.mmu.takeViolations() == [])
    }

    @Test func `is listed in the violations of the machine`() {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.free(8)
      #expect(tables.machine.violations.count == 1)
    }
  }
}
