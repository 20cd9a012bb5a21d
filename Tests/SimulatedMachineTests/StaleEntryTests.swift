import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  /// Makes each change that needs a flush without it, which must be reported, and with it, which
  /// must not.
  @Suite("A stale entry") struct StaleEntryTests {
    /// Expects differences if the flush was omitted, and none otherwise.
    private func expect(
      _ tables: HandMadeTables, isSeen: Bool, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      let found = tables.mmu.incoherences()
      #expect(found.isEmpty != isSeen, "\(found)", sourceLocation: sourceLocation)
    }

    @Test(arguments: [false, true])
    func `of a page that was unmapped is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(try tables.read(0) == 8)
      tables.unmap(0)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect((try? tables.read(0)) == (isFlushed ? nil : 8))
    }

    @Test(arguments: [false, true])
    func `of a page that was never accessed is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.unmap(0)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect((try? tables.read(0)) == (isFlushed ? nil : 8))
    }

    @Test(arguments: [false, true])
    func `of a page that became read-only is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      try tables.write(1, 0)
      tables.map(0, to: 8, Tables.present | Tables.user | Tables.accessed | Tables.dirty)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      let accesses = tables.mmu.cachedAccesses(in: Tables.page(0)..<Tables.page(1))
      #expect(accesses.contains(.userWrite) == !isFlushed)
      #expect(accesses.contains(.userRead))
      #expect(((try? tables.write(2, 0)) != nil) == !isFlushed)
      #expect(try tables.read(0) == (isFlushed ? 1 : 2))
    }

    @Test(arguments: [false, true])
    func `of a page that is no longer executable is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      try tables.mmu.fetch(at: Tables.page(0))
      tables.map(0, to: 8, Tables.open | Tables.noExecute)
      if isFlushed { tables.invalidate(0) }
      let accesses = tables.mmu.cachedAccesses(in: Tables.page(0)..<Tables.page(1))
      #expect(accesses.contains(.userFetch) == !isFlushed)
      #expect(((try? tables.mmu.fetch(at: Tables.page(0))) != nil) == !isFlushed)
      #expect(!tables.mmu.incoherences(ignoringAccessed: true).isEmpty == !isFlushed)
    }

    @Test(arguments: [false, true])
    func `of a page that became a kernel page is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.map(0, to: 8, Tables.present | Tables.writable)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect((try? tables.read(0)) == (isFlushed ? nil : 8))
    }

    @Test(arguments: [false, true])
    func `of a page that was mapped to another frame is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(try tables.read(0) == 8)
      tables.map(0, to: 9)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(try tables.read(0) == (isFlushed ? 9 : 8))
    }

    @Test(arguments: [false, true])
    func `of a page that changed its memory type is reported`(isFlushed: Bool) {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.map(0, to: 8, Tables.open | 0x10)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
    }

    @Test(arguments: [false, true], [false, true])
    func `below a removed table is reported, accessed or not`(isWarm: Bool, isFlushed: Bool)
      throws
    {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      if isWarm { #expect(try tables.read(0) == 8) }
      tables.set(0, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(tables.mmu.cachedTables(on: 0).contains(4 << 12) == !isFlushed)
      #expect((try? tables.read(0)) == (isFlushed ? nil : 8))
    }

    @Test func `below a removed table survives a flush of its neighbour`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.set(0, 3, of: Tables.middle)
      tables.invalidate(1)
      #expect(!tables.mmu.cachedTables(on: 0).contains(4 << 12))
      expect(tables, isSeen: true)
      #expect(try tables.read(0) == 8)
    }

    @Test(arguments: [false, true])
    func `that leads to an empty table is reported`(isFlushed: Bool) {
      let tables = HandMadeTables()
      tables.set(0, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      let pending = Tables.start..<Tables.start + 1 << 21
      #expect(tables.mmu.incoherences(except: [pending]) == [])
    }

    @Test(arguments: [false, true])
    func `is cached from a removed table that is written`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.set(0, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(7) }
      tables.map(5, to: 8)
      #expect((try? tables.read(5)) == (isFlushed ? nil : 8))
      expect(tables, isSeen: !isFlushed)
    }

    @Test(arguments: [false, true])
    func `below a table that was replaced is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(try tables.read(0) == 8)
      tables.set(Tables.open | 9 << 12, 0, of: 5)
      tables.set(Tables.open | 5 << 12, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(try tables.read(0) == (isFlushed ? 9 : 8))
    }

    @Test(arguments: [false, true])
    func `below a table that grants fewer rights is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      try tables.write(1, 0)
      tables.set(Tables.present | Tables.user | 4 << 12, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(((try? tables.write(2, 0)) != nil) == !isFlushed)
    }

    @Test(arguments: [false, true])
    func `of a large page that was split is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.set(Tables.open | Tables.big | 512 << 12, 3, of: Tables.middle)
      #expect(try tables.read(7) == 519)
      for index in 0..<512 {
        tables.set(Tables.open | UInt64(1024 + index) << 12, index, of: Tables.leaf)
      }
      tables.set(Tables.open | 4 << 12, 3, of: Tables.middle)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(try tables.read(7) == (isFlushed ? 1031 : 519))
    }

    @Test(arguments: [false, true])
    func `of small pages that were collapsed into a large one is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      for index in 0..<512 { tables.map(index, to: 512 + index) }
      tables.set(Tables.open | Tables.big | 512 << 12, 3, of: Tables.middle)
      for index in 0..<(isFlushed ? 512 : 511) { tables.invalidate(index) }
      let found = tables.mmu.incoherences()
      #expect(found.count == (isFlushed ? 0 : 1))
      #expect(found.allSatisfy { $0.contains("larger page") })
    }

    @Test(arguments: [7, 8])
    func `at the end of a range flushed one page short is reported`(flushedCount: Int) throws {
      let tables = HandMadeTables()
      for index in 0..<8 { tables.map(index, to: 8 + index) }
      for index in 0..<8 { tables.unmap(index) }
      for index in 0..<flushedCount { tables.invalidate(index) }
      let found = tables.mmu.incoherences()
      #expect(found.count == 8 - flushedCount)
      #expect((try? tables.read(7)) == (flushedCount == 8 ? nil : 15))
    }

    @Test(arguments: [false, true])
    func `that is dirty prevents the dirty bit from being set`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      try tables.write(1, 0)
      #expect(tables.entry(0, of: Tables.leaf) & Tables.dirty != 0)
      tables.map(0, to: 8, Tables.open | Tables.accessed)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      try tables.write(2, 0)
      #expect((tables.entry(0, of: Tables.leaf) & Tables.dirty != 0) == isFlushed)
    }

    @Test(arguments: [false, true])
    func `that is accessed prevents the accessed bit from being set`(isFlushed: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      _ = try tables.read(0)
      #expect(tables.entry(0, of: Tables.leaf) & Tables.accessed != 0)
      tables.map(0, to: 8)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
      #expect(tables.mmu.incoherences(ignoringAccessed: true) == [])
      _ = try tables.read(0)
      #expect((tables.entry(0, of: Tables.leaf) & Tables.accessed != 0) == isFlushed)
    }

    @Test(arguments: [false, true])
    func `on another processor is reported`(isFlushed: Bool) throws {
      let tables = HandMadeTables(processorCount: 3)
      tables.map(0, to: 8)
      #expect(try tables.read(0, on: 2) == 8)
      tables.unmap(0)
      tables.invalidate(0, on: 0)
      tables.invalidate(0, on: 1)
      if isFlushed { tables.invalidate(0, on: 2) }
      let found = tables.mmu.incoherences()
      #expect(found.count == (isFlushed ? 0 : 1))
      #expect(found.allSatisfy { $0.hasPrefix("processor 2 ") })
      #expect((try? tables.read(0, on: 2)) == (isFlushed ? nil : 8))
    }

    @Test(arguments: [false, true])
    func `that is global survives a load of CR3`(isGlobal: Bool) throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.open | (isGlobal ? Tables.global : 0))
      #expect(try tables.read(0) == 8)
      tables.unmap(0)
      hw_write_cr3(1 << 12)
      expect(tables, isSeen: isGlobal)
      #expect((try? tables.read(0)) == (isGlobal ? 8 : nil))
    }

    @Test(arguments: [false, true])
    func `of a page that is no longer global is reported`(isFlushed: Bool) {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.open | Tables.global)
      tables.map(0, to: 8)
      hw_write_cr3(1 << 12)
      if isFlushed { tables.invalidate(0) }
      expect(tables, isSeen: !isFlushed)
    }

    @Test func `that is global does not survive a change of CR4.PGE`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.open | Tables.global)
      tables.map(1, to: 9, Tables.open | Tables.global)
      tables.unmap(0)
      hw_write_cr4(hw_read_cr4() & ~0x80)
      expect(tables, isSeen: false)
      #expect((try? tables.read(0)) == nil)
      #expect(tables.mmu.cachedTranslations(on: 0).map(\.isGlobal) == [false])
      hw_write_cr4(hw_read_cr4() | 0x80)
      #expect(tables.mmu.cachedTranslations(on: 0).map(\.isGlobal) == [true])
    }

    @Test func `that is global does not survive INVLPG`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.open | Tables.global)
      tables.unmap(0)
      tables.invalidate(0)
      expect(tables, isSeen: false)
    }

    @Test func `is never evicted`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(try tables.read(0) == 8)
      tables.unmap(0)
      for round in 0..<20 {
        for index in 1..<512 { tables.map(index, to: 1024 + index) }
        for index in 1..<512 { #expect(try tables.read(index) == UInt64(1024 + index), "\(round)") }
      }
      #expect(try tables.read(0) == 8)
    }

    @Test func `of another address space does not survive a switch`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.set(0, 1, of: 5)
      hw_write_cr3(5 << 12)
      #expect(tables.mmu.cachedTranslations(on: 0) == [])
      #expect(tables.mmu.cachedTables(on: 0) == [5 << 12])
      tables.unmap(0)
      hw_write_cr3(1 << 12)
      expect(tables, isSeen: false)
      #expect((try? tables.read(0)) == nil)
    }

    @Test func `is ignored in ranges with a pending flush`() {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.map(1, to: 9)
      tables.unmap(0)
      tables.unmap(1)
      let first = Tables.page(0)..<Tables.page(1)
      #expect(tables.mmu.incoherences(except: [first]).count == 1)
      #expect(tables.mmu.incoherences(except: [first, Tables.page(1)..<Tables.page(2)]) == [])
      #expect(tables.mmu.incoherences(root: 5 << 12) == [])
      #expect(tables.mmu.incoherences(root: 1 << 12).count == 2)
    }
  }
}
