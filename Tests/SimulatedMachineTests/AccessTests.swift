import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  @Suite("An access") struct AccessTests {
    /// Returns the accessed and dirty bits of the entries that lead to page 0, from the root down.
    private func marks(_ tables: HandMadeTables) -> [UInt64] {
      [(1, 1), (2, 2), (3, 3), (4, 0)].map { frame, index in
        tables.entry(index, of: frame) & (Tables.accessed | Tables.dirty)
      }
    }

    @Test func `sets the accessed bit at all levels and the dirty bit in the leaf`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      _ = try tables.mmu.translate(Tables.page(0))
      #expect(marks(tables) == [0, 0, 0, 0])
      #expect(try tables.read(0) == 8)
      #expect(marks(tables) == [0x20, 0x20, 0x20, 0x20])
      try tables.write(9, 0)
      #expect(marks(tables) == [0x20, 0x20, 0x20, 0x60])
      #expect(try tables.read(0) == 9)
      #expect(tables.mmu.incoherences() == [])
    }

    @Test func `that faults sets no bits and stores its address in CR2`() {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.present | Tables.user)
      #expect(throws: PageFault.page(address: Tables.page(0) + 8, [.present, .write, .user])) {
        try tables.mmu.write(1, at: Tables.page(0) + 8)
      }
      #expect(marks(tables) == [0, 0, 0, 0])
      #expect(hw_read_cr2() == Tables.page(0) + 8)
    }

    @Test func `sets no bits if setting them is delayed`() throws {
      let tables = HandMadeTables()
      tables.mmu.options.setsAccessedAndDirty = false
      tables.map(0, to: 8)
      try tables.write(9, 0)
      #expect(marks(tables) == [0, 0, 0, 0])
      tables.mmu.options.setsAccessedAndDirty = true
      try tables.write(10, 0)
      #expect(marks(tables) == [0x20, 0x20, 0x20, 0x60])
    }

    @Test func `may be speculative, which sets accessed bits at once`() throws {
      let tables = HandMadeTables()
      tables.mmu.options.setsAccessedAtOnce = true
      tables.map(0, to: 8)
      #expect(marks(tables)[3] == Tables.accessed)
      tables.set(Tables.open | 4 << 12, 4, of: Tables.middle)
      #expect(tables.entry(4, of: Tables.middle) & Tables.accessed != 0)
      #expect(tables.mmu.incoherences() == [])
      tables.map(0, to: 8, Tables.open | Tables.accessed)
      tables.map(0, to: 8)
      #expect(marks(tables)[3] == Tables.accessed)
    }

    @Test func `may cross into a second page`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.map(1, to: 10)
      let address = Tables.page(1) - 4
      try tables.mmu.write(0x1122_3344_5566_7788 as UInt64, at: address)
      #expect(try tables.mmu.read(UInt64.self, at: address) == 0x1122_3344_5566_7788)
      #expect(tables.entry(511, of: 8) == 0x5566_7788_0000_0008 as UInt64)
      #expect(tables.entry(0, of: 10) == 0x1122_3344)
    }

    @Test func `that faults in the second page writes nothing in the first`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(throws: PageFault.page(address: Tables.page(1), [.write, .user])) {
        try tables.mmu.write(0 as UInt64, at: Tables.page(1) - 4)
      }
      #expect(tables.entry(511, of: 8) == 8)
    }

    @Test func `is checked with the registers of its processor`() throws {
      let tables = HandMadeTables(processorCount: 2)
      tables.map(0, to: 8)
      let address = Tables.page(0)
      #expect(throws: PageFault.self) {
        try tables.mmu.read(UInt64.self, at: address, as: .supervisor, on: 1)
      }
      tables.run(1) { hw_write_cr4(hw_read_cr4() & ~(1 << 21)) }
      #expect(try tables.mmu.read(UInt64.self, at: address, as: .supervisor, on: 1) == 8)
      #expect(throws: PageFault.self) {
        try tables.mmu.read(UInt64.self, at: address, as: .supervisor, on: 0)
      }
      #expect(
        try tables.mmu.read(UInt64.self, at: address, as: .supervisorOnUserMemory, on: 0) == 8)
    }

    @Test(arguments: [false, true])
    func `may fault once after rights were added`(isDelivered: Bool) throws {
      let tables = HandMadeTables()
      tables.mmu.options.deliversSpuriousFaults = isDelivered
      tables.map(0, to: 8, Tables.present | Tables.user)
      _ = try tables.read(0)
      tables.map(0, to: 8, Tables.open | Tables.accessed)
      #expect(tables.mmu.incoherences() == [])
      #expect(tables.mmu.statistics.spuriousFaults == 0)
      if isDelivered {
        #expect(throws: PageFault.page(address: Tables.page(0), [.present, .write, .user])) {
          try tables.write(1, 0)
        }
      }
      try tables.write(1, 0)
      #expect(tables.mmu.statistics.spuriousFaults == 1)
      #expect(try tables.read(0) == 1)
    }

    @Test func `that faults leaves the page cached if the tables forbid it too`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.present | Tables.user | Tables.noExecute)
      _ = try tables.read(0)
      tables.map(0, to: 8, Tables.present | Tables.user | Tables.accessed)
      #expect(throws: PageFault.page(address: Tables.page(0), [.present, .write, .user])) {
        try tables.write(1, 0)
      }
      #expect(tables.mmu.incoherences() == [])
      tables.unmap(0)
      #expect(tables.mmu.incoherences() != [], "the page may be cached without another access")
    }

    @Test func `uses the current tables without stale translations`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      #expect(try tables.read(0) == 8)
      tables.map(0, to: 9)
      #expect(try tables.read(0) == 8)
      #expect(tables.mmu.statistics.staleAccesses == 1)
      tables.mmu.options.usesStaleTranslations = false
      #expect(try tables.read(0) == 9)
      #expect(tables.mmu.statistics.staleAccesses == 1)
    }

    @Test func `beyond the end of memory throws`() {
      let tables = HandMadeTables()
      tables.map(0, to: 1 << 20)
      #expect(throws: PageFault.noMemory(physicalAddress: 1 << 32)) { try tables.read(0) }
    }
  }

  @Suite("The worst-case cache") struct HoldingTests {
    @Test func `holds every entry as soon as it is reachable`() {
      let tables = HandMadeTables(processorCount: 2)
      tables.run(1) { hw_write_cr3(5 << 12) }
      tables.map(3, to: 8)
      #expect(tables.mmu.cachedTranslations(on: 0).map(\.virtualAddress) == [Tables.page(3)])
      #expect(tables.mmu.cachedTranslations(on: 1) == [])
      tables.set(Tables.open | 2 << 12, 1, of: 5)
      #expect(tables.mmu.cachedTranslations(on: 1).map(\.virtualAddress) == [Tables.page(3)])
      #expect(tables.mmu.cachedTables(on: 1) == [2, 3, 4, 5].map { $0 << 12 })
    }

    @Test func `holds entries that were written before it was attached`() {
      let machine = SimulatedMachine(frameCount: 64, reserved: 64)
      let tables = HandMadeTables(adopting: machine)
      tables.fillChain()
      tables.map(3, to: 8)
      hw_write_cr3(1 << 12)
      #expect(machine.mmu.cachedTranslations(on: 0).map(\.virtualAddress) == [Tables.page(3)])
    }

    @Test func `reports entries that changed without notification`() {
      let tables = HandMadeTables()
      tables.set(Tables.open | 8 << 12, 0, of: Tables.leaf, isAnnounced: false)
      tables.set(Tables.open | 4 << 12, 4, of: Tables.middle, isAnnounced: false)
      let found = tables.mmu.incoherences()
      #expect(found.count == 2)
      #expect(found.contains("the entry at 0x4000 changed without notification"))
      #expect(found.contains("the entry at 0x3020 changed without notification"))
    }

    @Test(arguments: [MMUOptions.SizeChange.byChecks, .atOnce])
    func `reports two sizes for one address at once or in a check`(moment: MMUOptions.SizeChange) {
      for isGrowing in [false, true] {
        let tables = HandMadeTables()
        tables.mmu.options.sizeChange = moment
        let big = Tables.open | Tables.big | 512 << 12
        if isGrowing { tables.map(9, to: 521) } else { tables.set(big, 3, of: 3) }
        #expect(tables.machine.violations == [])
        tables.set(isGrowing ? big : Tables.open | 4 << 12, 3, of: 3)
        if !isGrowing { tables.map(9, to: 521) }
        #expect(tables.machine.violations.count == (moment == .atOnce ? 1 : 0))
        #expect(!tables.mmu.incoherences().isEmpty)
        tables.invalidate(9)
        #expect(tables.mmu.incoherences() == [])
      }
    }

    @Test func `may grant fewer rights than the tables, but not more`() {
      let tables = HandMadeTables()
      let rights = [1, 3, 5, 7] as [UInt64]
      for old in rights {
        for new in rights {
          for noExecute in [0, Tables.noExecute] {
            tables.map(0, to: 8, old | noExecute)
            tables.invalidate(0)
            tables.map(0, to: 8, new)
            // Making a page a user page removes the kernel's rights, by SMEP and SMAP.
            let isMore = old & new == old && (old ^ new) & Tables.user == 0
            #expect(tables.mmu.incoherences().isEmpty == isMore, "\(old) to \(new)")
            tables.invalidate(0)
            #expect(tables.mmu.incoherences() == [])
          }
        }
      }
    }

    @Test func `is checked by the expectations of the machine`() {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.unmap(0)
      let page = Tables.page(0)..<Tables.page(1)
      withKnownIssue { tables.machine.checkCoherent() }
      withKnownIssue { tables.machine.expectNoCachedRights(.userWrite, in: page) }
      tables.machine.expectNoCachedRights(in: Tables.page(1)..<Tables.page(9))
      tables.machine.checkCoherent(except: [page])
      tables.invalidate(0)
      tables.machine.checkCoherent()
      tables.machine.expectNoCachedRights(in: page)
    }

    @Test func `reports an absent entry that contains the address of memory`() {
      let tables = HandMadeTables()
      tables.set(8 << 12, 0, of: Tables.leaf)
      #expect(tables.mmu.takeViolations().count == 1)
      tables.set(0, 0, of: Tables.leaf)
      tables.set(0xf00, 0, of: Tables.leaf)
      tables.set(~(8 << 12) & ~1, 0, of: Tables.leaf)
      #expect(tables.mmu.takeViolations() == [])
      // Also in a table that no processor uses yet.
      tables.set(9 << 12, 0, of: 6)
      #expect(tables.mmu.takeViolations().count == 1)
    }

    @Test func `is detached when the machine is destroyed`() {
      var tables: HandMadeTables? = HandMadeTables()
      tables?.map(0, to: 8)
      tables = nil
      let next = SimulatedMachine(frameCount: 16, reserved: 16)
      hw_note_frame_free(8 << 12, 4096)
      #expect(next.violations == [])
      #expect(next.mmu.statistics.freedFrames == 0)
    }
  }
}
