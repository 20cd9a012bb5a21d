import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Page tables of loaders that are reachable on several ways, and entries that leave access to
  /// user programs.
  @Suite("Adopted tables") struct AdoptedTablesTests {
    let machine = LoadedMachine()
    private let root = LoadedMachine.tables[0]

    /// All words of the loader's tables.
    private var words: [UInt64] {
      LoadedMachine.tables.flatMap { table in
        (0..<512).map { machine.entry(at: $0, of: table) }
      }
    }

    /// The flags of the kernel's page at `address`.
    private func flags(at address: UInt64) -> Int {
      var target: UInt64 = 0
      var flags: UInt32 = 0
      expect(tessera_translate(tessera_kernel_space(), address, &target, &flags), TESSERA_OK)
      return Int(flags)
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `a recursive entry is an error, and nothing has changed`(half: Int) {
      for (index, table) in [(510, root), (300, LoadedMachine.tables[2])] {
        machine.setEntry(0x3 | table, at: index, of: root)
        let before = words
        #expect(
          machine.start { $0.kernel_half = UInt32(half) }
            == TESSERA_ERROR_PAGE_TABLE_AT_TWO_LEVELS)
        #expect(words == before)
        machine.setEntry(0, at: index, of: root)
      }
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 100, of: LoadedMachine.tables[1])
      #expect(machine.start() == TESSERA_ERROR_PAGE_TABLE_AT_TWO_LEVELS)
      machine.setEntry(0, at: 100, of: LoadedMachine.tables[1])
      #expect(machine.start { $0.kernel_half = UInt32(half) } == TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a recursive entry that is left behind does not matter`() {
      machine.setEntry(0x3 | root, at: 200, of: root)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `a table that two entries lead to is adopted once`() {
      let pages: UInt64 = 0x10_3000
      for index in 0..<512 { machine.setEntry(0, at: index, of: pages) }
      // Write-combining by the table that IA32_PAT holds: PAT and PCD, or PAT, PCD and PWT.
      simulated_registers_of(0).pointee.pat = 0x0007_0105_0007_0406
      machine.setEntry(0x8000_0000_0030_008b, at: 0, of: pages)
      machine.setEntry(0x3 | pages, at: 8, of: LoadedMachine.tables[2])
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 511, of: root)
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 256, of: root)
      machine.setEntry(0x8000_0000_0000_108b | 4 << 21, at: 9, of: LoadedMachine.tables[2])
      #expect(machine.start() == TESSERA_OK)
      #expect(machine.violations == "")
      for start in [0, 0xffff_8000_0000_0000, 0xffff_ff80_0000_0000] as [UInt64] {
        for offset in [8 << 21, 9 << 21] as [UInt64] {
          let address = start + LoadedMachine.directMap + offset
          #expect(flags(at: address) & TESSERA_UNCACHEABLE == TESSERA_WRITE_COMBINING)
        }
      }
      #expect(machine.entry(at: 9, of: LoadedMachine.tables[2]) & 1 << 7 != 0)
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `no entry of the kernel half leaves access to user programs`(half: Int) {
      machine.setEntry(0x7 | LoadedMachine.tables[1], at: 0, of: root)
      machine.setEntry(0x7 | LoadedMachine.tables[1], at: 511, of: root)
      machine.setEntry(0x7 | LoadedMachine.tables[2], at: 1, of: LoadedMachine.tables[1])
      machine.setEntry(0x8000_0000_0040_0087, at: 2, of: LoadedMachine.tables[2])
      #expect(machine.start { $0.kernel_half = UInt32(half) } == TESSERA_OK)
      #expect(Boot.report?.userEntryCount == (half == TESSERA_ADOPT ? 4 : 6))
      #expect(machine.violations == "")
      #expect(flags(at: LoadedMachine.directMap + 0x40_0000) & TESSERA_USER == 0)
    }

    @Test func `a page table that the direct map does not map is an error`() {
      // Below the end of memory, in a hole that is mapped elsewhere.
      machine.setEntry(0x8000_0000_0020_0083, at: 3, of: LoadedMachine.tables[2])
      let regions = [
        tessera_region(start: 0, length: 0x60_0000, kind: UInt32(TESSERA_USABLE), reserved: 0),
        LoadedMachine.regions[1],
      ]
      let above = tessera_region(
        start: 0x80_0000, length: 0x1000, kind: UInt32(TESSERA_LOADER), reserved: 0)
      machine.setEntry(0x8000_0000_0080_0083, at: 4, of: LoadedMachine.tables[2])
      machine.setEntry(0x3 | 0x60_0000, at: 300, of: root)
      #expect(machine.start(regions + [above]) == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      // Tables beyond the end of memory are left as they are.
      #expect(machine.start(regions) == TESSERA_OK)
    }
  }
}
