import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Entries with a single fault, which the check reports.
@Suite("Validity check of entries") struct EntryInvariantTests {
  private let mode = PagingMode(physicalAddressWidth: 46)

  private func leaf(_ size: PageSize, _ access: PageAccess = .read) -> PageTableEntry {
    PageTableEntry.leaf(
      at: PhysicalAddress(0x4000_0000), property: PageProperty(access), size: size,
      ownsFrame: true, mode: mode)
  }

  private func isBad(
    _ entry: PageTableEntry, flipping bit: Int, at level: Int, _ mode: PagingMode? = nil
  ) -> Bool {
    let spoiled = PageTableEntry(rawValue: entry.rawValue ^ 1 << UInt64(bit))
    return spoiled.violatesReservedBits(at: PagingLevel(level), mode: mode ?? self.mode)
  }

  @Test(arguments: 36...51)
  func `each address bit above the physical address width is reported`(width: Int) {
    let mode = PagingMode(physicalAddressWidth: width)
    let table = PageTableEntry.table(at: PhysicalAddress(0x1000), mode: mode)
    for bit in width..<52 {
      for size in Samples.sizes {
        let level = PagingLevel(leafOf: size).number
        #expect(isBad(leaf(size), flipping: bit, at: level, mode))
        #expect(isBad(leaf(size, .none), flipping: bit, at: level, mode))
      }
      for level in 2...5 { #expect(isBad(table, flipping: bit, at: level, mode)) }
    }
  }

  @Test func `each bit between PAT and address of a large page is reported`() {
    for access in [PageAccess.read, .none] {
      for bit in 13..<21 { #expect(isBad(leaf(.twoMiB, access), flipping: bit, at: 2)) }
      for bit in 13..<30 { #expect(isBad(leaf(.oneGiB, access), flipping: bit, at: 3)) }
      #expect(!isBad(leaf(.twoMiB, access), flipping: 21, at: 2))
      #expect(!isBad(leaf(.oneGiB, access), flipping: 31, at: 3))
    }
  }

  @Test func `a large page at an unsupported level is reported`() {
    let table = PageTableEntry.table(at: PhysicalAddress(0x4000_0000), mode: mode)
    #expect(isBad(table, flipping: 7, at: 4))
    #expect(isBad(table, flipping: 7, at: 5))
    #expect(!isBad(table, flipping: 7, at: 3))
    let without = PagingMode(physicalAddressWidth: 46, hasOneGiBPages: false)
    #expect(isBad(table, flipping: 7, at: 3, without))
    #expect(!isBad(table, flipping: 7, at: 2, without))
    #expect(leaf(.oneGiB).violatesReservedBits(at: PagingLevel(3), mode: without))
  }

  @Test func `no-execute on a processor without it is reported`() {
    let without = PagingMode(physicalAddressWidth: 46, hasNoExecute: false)
    for size in Samples.sizes {
      let level = PagingLevel(leafOf: size)
      #expect(leaf(size, .read).violatesReservedBits(at: level, mode: without))
      #expect(!leaf(size, .readExecute).violatesReservedBits(at: level, mode: without))
    }
  }

  @Test func `a physical address in a non-present entry is reported`() {
    for size in Samples.sizes {
      let level = PagingLevel(leafOf: size)
      let careless = PageTableEntry(rawValue: leaf(size).rawValue & ~PageTableEntry.present)
      #expect(careless.violatesReservedBits(at: level, mode: mode))
      #expect(careless.isLeaf)
    }
    for level in Samples.levels {
      let table = PageTableEntry.table(at: PhysicalAddress(0x1000), mode: mode)
      let careless = PageTableEntry(rawValue: table.rawValue & ~PageTableEntry.present)
      #expect(careless.violatesReservedBits(at: level, mode: mode))
      #expect(PageTableEntry(rawValue: 0x1000).violatesReservedBits(at: level, mode: mode))
    }
  }

  @Test func `a status with a property has no other bits`() {
    let statuses = [
      PageTableEntry.demandZero(.userReadWrite.with(software: 2)),
      .pending(0x1234_5678, .userRead.with(isShared: true)),
    ]
    for (status, free) in zip(statuses, [12, 44]) {
      for level in 1...5 {
        #expect(!status.violatesReservedBits(at: PagingLevel(level)))
        for bit in Array(1...8) + [10, free, 51, 55] {
          #expect(isBad(status, flipping: bit, at: level), "bit \(bit) at level \(level)")
        }
      }
    }
  }

  @Test func `a status with a wrong bit outside its payload is reported`() {
    let status = PageTableEntry.status(0x1234_5678)
    for level in 1...5 {
      // Bits 59 and 60 make it a status of another kind.
      for bit in 0..<64 where !(12..<44).contains(bit) && bit != 9 && bit != 60 {
        #expect(isBad(status, flipping: bit, at: level), "bit \(bit) at level \(level)")
      }
      // With the leaf bit it is a leaf, whose owner bit contradicts the rest.
      let leaf = PageTableEntry(rawValue: status.rawValue ^ PageTableEntry.leafBit)
      #expect(leaf.violatesOwnershipBits(at: PagingLevel(level)))
    }
  }

  @Test func `missing or misplaced software bits are reported`() {
    let table = PageTableEntry.table(at: PhysicalAddress(0x1000), mode: mode)
    func isInvalid(_ entry: PageTableEntry, _ mask: UInt64, at level: Int) -> Bool {
      PageTableEntry(rawValue: entry.rawValue ^ mask).violatesOwnershipBits(at: PagingLevel(level))
    }
    for size in Samples.sizes {
      let level = PagingLevel(leafOf: size).number
      #expect(isInvalid(leaf(size), PageTableEntry.leafBit, at: level))
      #expect(isInvalid(leaf(size), PageTableEntry.statusBit, at: level))
      #expect(isInvalid(leaf(size, .none), PageTableEntry.statusBit, at: level))
      #expect(!isInvalid(leaf(size), PageTableEntry.ownsFrameBit, at: level))
      // Shared by a fork: not writable, and of a frame; copied only if shared.
      #expect(!isInvalid(leaf(size), PageTableEntry.sharedByForkBit, at: level))
      #expect(!isInvalid(leaf(size, .none), PageTableEntry.forkMask, at: level))
      #expect(isInvalid(leaf(size), PageTableEntry.copyOnWrite, at: level))
      #expect(isInvalid(leaf(size, .readWrite), PageTableEntry.sharedByForkBit, at: level))
      #expect(isInvalid(leaf(size, .readWrite), PageTableEntry.forkMask, at: level))
      let ofDevice = PageTableEntry.sharedByForkBit | PageTableEntry.ownsFrameBit
      #expect(isInvalid(leaf(size), ofDevice, at: level))
    }
    for level in 2...5 {
      #expect(isInvalid(table, PageTableEntry.leafBit, at: level))
      #expect(isInvalid(table, PageTableEntry.ownsFrameBit, at: level))
      #expect(!isInvalid(table, 0, at: level))
      #expect(leaf(.fourKiB).violatesOwnershipBits(at: PagingLevel(level)))
    }
    #expect(table.violatesOwnershipBits(at: .leafTable))
    #expect(leaf(.twoMiB).violatesOwnershipBits(at: PagingLevel(4)))
    #expect(!PageTableEntry.absent.violatesOwnershipBits(at: .leafTable))
  }
}
