import CTessera
import SimulatedMachine
import Testing

private typealias Tables = HandMadeTables

extension OnSimulatedMachine {
  @Suite("A walk") struct TableWalkTests {
    /// Runs `body` with the given processor features, then restores the default ones.
    private func withFeatures(
      width: Int = 40, hasFiveLevels: Bool = false, hasOneGiBPages: Bool = true,
      _ body: () throws -> Void
    ) rethrows {
      SimulatedMachine.setFeatures(
        physicalAddressWidth: width, hasFiveLevels: hasFiveLevels, hasOneGiBPages: hasOneGiBPages)
      defer { SimulatedMachine.setFeatures() }
      try body()
    }

    private func fault(_ code: UInt32, at address: UInt64 = Tables.page(0)) -> PageFault {
      .page(address: address, PageFaultCode(rawValue: code))
    }

    @Test func `finds pages of each size`() throws {
      let tables = HandMadeTables()
      tables.map(5, to: 9)
      tables.set(Tables.open | Tables.big | 512 << 12, 4, of: 3)
      tables.set(Tables.open | Tables.big, 3, of: 2)
      let small = try tables.mmu.translate(Tables.page(5) + 0x123)
      #expect(small.level == 1 && small.physicalAddress == 0x9000)
      #expect(small.physicalAddress(of: Tables.page(5) + 0x123) == 0x9123)
      let large = try tables.mmu.translate(Tables.page(512) + 0x1_2345)
      #expect(large.level == 2 && large.byteCount == 1 << 21)
      #expect(large.physicalAddress(of: Tables.page(512) + 0x1_2345) == 0x21_2345)
      let address: UInt64 = 1 << 39 | 3 << 30 | 0x7f_0010
      let huge = try tables.mmu.translate(address)
      #expect(huge.level == 3 && huge.virtualAddress == 1 << 39 | 3 << 30)
      #expect(try tables.mmu.read(UInt64.self, at: address) == 0x7f0)
    }

    @Test func `uses the upper half of the root for the upper half of addresses`() throws {
      let tables = HandMadeTables()
      tables.set(Tables.open | 2 << 12, 256, of: Tables.root)
      tables.map(5, to: 9)
      let address: UInt64 = 0xffff_8000_8060_5000
      #expect(try tables.mmu.translate(address).virtualAddress == address)
      let held = tables.mmu.cachedTranslations(on: 0).map(\.virtualAddress)
      #expect(held == [Tables.page(5), address])
    }

    @Test(arguments: [false, true])
    func `faults on addresses that are not canonical`(hasFiveLevels: Bool) {
      withFeatures(hasFiveLevels: hasFiveLevels) {
        let tables = HandMadeTables()
        let top: UInt64 = hasFiveLevels ? 1 << 56 : 1 << 47
        for address in [top, 0 &- top &- 1] {
          #expect(throws: PageFault.generalProtection(address: address)) {
            try tables.mmu.translate(address)
          }
        }
        for address in [top - 1, 0 &- top] {
          #expect(throws: fault(4, at: address)) { try tables.mmu.translate(address) }
        }
      }
    }

    @Test func `has five levels with LA57`() throws {
      try withFeatures(hasFiveLevels: true) { () throws in
        let tables = HandMadeTables()
        tables.map(5, to: 9)
        // The chain that usually starts at the root starts one level lower.
        tables.set(Tables.open | 1 << 12, 6, of: 5)
        tables.set(Tables.open | 1 << 12, 300, of: 5)
        hw_write_cr3(5 << 12)
        #expect(try tables.mmu.translate(6 << 48 + Tables.page(5)).physicalAddress == 0x9000)
        let upper = 0xff00_0000_0000_0000 | 44 << 48 + Tables.page(5)
        #expect(try tables.mmu.translate(upper).virtualAddress == upper)
        #expect(throws: fault(4)) { try tables.mmu.translate(Tables.page(0)) }
      }
    }

    @Test(arguments: [36, 40, 48, 52])
    func `faults on physical addresses beyond the width of the processor`(width: Int) {
      withFeatures(width: width) {
        let tables = HandMadeTables()
        tables.map(0, to: 8)
        for level in 1...4 {
          let frame = 5 - level
          let word = tables.entry(frame % 4, of: frame)
          for bit in 32..<63 {
            let address = word & 0x000f_ffff_ffff_f000 | 1 << UInt64(bit)
            tables.set(word | 1 << UInt64(bit), frame % 4, of: frame)
            if bit >= 52 {
              #expect(throws: Never.self) { try tables.mmu.translate(Tables.page(0)) }
            } else if bit >= width {
              #expect(throws: fault(13)) { try tables.mmu.translate(Tables.page(0)) }
            } else if level == 1 {
              #expect(try! tables.mmu.translate(Tables.page(0)).physicalAddress == address)
            } else {
              #expect(throws: PageFault.noMemory(physicalAddress: address)) {
                try tables.mmu.translate(Tables.page(0))
              }
            }
          }
          tables.set(word, frame % 4, of: frame)
        }
      }
    }

    @Test func `faults on unsupported large pages and on bits below their address`() throws {
      for (level, bits) in [(4, 7..<8), (3, 13..<30), (2, 13..<21)] {
        for bit in bits {
          let tables = HandMadeTables()
          let frame = 5 - level
          tables.set(Tables.open | Tables.big | 1 << UInt64(bit), frame, of: frame)
          #expect(throws: fault(13)) { try tables.mmu.translate(Tables.page(0)) }
          #expect(tables.mmu.cachedTranslations(on: 0) == [])
        }
      }
      try withFeatures(hasOneGiBPages: false) { () throws in
        let tables = HandMadeTables()
        tables.set(Tables.open | Tables.big, 2, of: 2)
        #expect(throws: fault(13)) { try tables.mmu.translate(Tables.page(0)) }
        tables.set(Tables.open | Tables.big, 3, of: 3)
        tables.set(Tables.open | 3 << 12, 2, of: 2)
        #expect(try tables.mmu.translate(Tables.page(0)).level == 2)
      }
    }

    @Test func `reads PAT from bit 7 of a small page and bit 12 of a large one`() throws {
      let tables = HandMadeTables()
      for index in 0..<8 {
        let low = UInt64(index & 3) << 3
        tables.map(index, to: 8, Tables.open | low | UInt64(index >> 2) << 7)
        #expect(try tables.mmu.translate(Tables.page(index)).memoryTypeIndex == UInt8(index))
        tables.set(Tables.open | Tables.big | low | UInt64(index >> 2) << 12, 4, of: 3)
        let page = try tables.mmu.translate(Tables.page(512))
        #expect(page.memoryTypeIndex == UInt8(index) && page.level == 2)
      }
    }

    @Test func `faults on the no-execute bit while NXE is clear`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8, Tables.open | Tables.noExecute)
      #expect(throws: fault(21)) { try tables.mmu.translate(Tables.page(0), for: .fetch) }
      hw_write_msr(0xc000_0080, hw_read_msr(0xc000_0080) & ~0x800)
      #expect(throws: fault(13)) { try tables.mmu.translate(Tables.page(0)) }
      #expect(tables.mmu.cachedTranslations(on: 0) == [])
      // SMEP alone makes the error code report a fetch.
      #expect(throws: fault(20, at: Tables.page(1))) {
        try tables.mmu.translate(Tables.page(1), for: .fetch)
      }
      hw_write_cr4(hw_read_cr4() & ~(1 << 20))
      #expect(throws: fault(4, at: Tables.page(1))) {
        try tables.mmu.translate(Tables.page(1), for: .fetch)
      }
    }

    @Test func `faults on a processor that has not loaded CR3`() {
      let machine = SimulatedMachine(frameCount: 16, reserved: 16)
      #expect(throws: fault(6)) { try machine.mmu.write(1, at: Tables.page(0)) }
      #expect(machine.mmu.incoherences() == [])
    }

    @Test func `may start at a root at address zero`() throws {
      let tables = HandMadeTables()
      tables.map(0, to: 8)
      tables.set(Tables.open | 2 << 12, 1, of: 0)
      hw_write_cr3(0)
      #expect(try tables.mmu.translate(Tables.page(0)).physicalAddress == 0x8000)
      #expect(tables.mmu.cachedTables(on: 0).first == 0)
    }

    @Test func `to a table outside memory is reported`() {
      let tables = HandMadeTables()
      tables.set(Tables.open | 1 << 30, 4, of: Tables.middle)
      #expect(tables.machine.violations.count == 1)
      #expect(throws: PageFault.noMemory(physicalAddress: 1 << 30)) {
        try tables.mmu.translate(Tables.page(512))
      }
    }
  }
}
