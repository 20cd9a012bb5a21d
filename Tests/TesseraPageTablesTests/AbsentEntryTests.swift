import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Entries that translate nothing, and the check that finds what must not be in a table.
@Suite("Absent entry") struct AbsentEntryTests {
  /// The ends, each single bit, its complement, and a spread of others.
  private let payloads: [UInt32] =
    [0, 1, 0xffff_ffff, 0x7fff_ffff, 0x5555_5555, 0xaaaa_aaaa]
    + (0..<32).flatMap { [1 << UInt32($0), ~(1 << UInt32($0))] }
    + (0..<100_000).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) }

  @Test func `zero is the one entry that is absent`() {
    #expect(PageTableEntry.absent.rawValue == 0)
    #expect(PageTableEntry.absent.isAbsent)
    for bit in 0..<64 { #expect(!PageTableEntry(rawValue: 1 << UInt64(bit)).isAbsent) }
    let absent = PageTableEntry.absent
    #expect(!absent.isPresent && !absent.isLeaf && !absent.isTable && !absent.isStatus)
    #expect(absent.status == nil)
  }

  @Test func `a status comes back, and is nothing else`() {
    var tally = Tally()
    for payload in payloads {
      let entry = PageTableEntry.status(payload)
      let isOther = entry.isAbsent || entry.isPresent || entry.isLeaf || entry.isTable
      tally.claim(entry.status == payload && entry.isStatus, "\(payload)")
      tally.claim(!isOther && !entry.ownsFrame, "kind of \(payload)")
    }
    tally.expectAll(atLeast: 200_000)
  }

  @Test func `no status names memory of a processor with up to 51 address bits`() {
    var tally = Tally()
    for payload in payloads {
      let field = PageTableEntry.status(payload).rawValue & 0x000f_ffff_ffff_f000
      tally.claim(field >= 1 << 51, "\(payload)")
      // With 52 bits: none but the last 16 TiB of the 4 PiB.
      tally.claim(field >= 1 << 52 - 1 << 44, "\(payload) with 52 bits")
    }
    tally.expectAll(atLeast: 200_000)
  }

  @Test func `no status has an entry that the validity check objects to`() {
    var tally = Tally()
    for payload in payloads {
      for level in Samples.levels {
        let entry = PageTableEntry.status(payload)
        let isBad = entry.violatesReservedBits(at: level, mode: Samples.mode)
        tally.claim(!isBad, "\(payload) at \(level)")
        tally.claim(!entry.violatesOwnershipBits(at: level), "marks of \(payload) at \(level)")
      }
    }
    tally.expectAll(atLeast: 1_000_000)
  }
}
