import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// Non-present entries, and the check that rejects malformed ones.
@Suite("Absent entry") struct AbsentEntryTests {
  /// The extremes, each single bit, its complement, and a sample of others.
  private let payloads: [UInt32] =
    [0, 1, 0xffff_ffff, 0x7fff_ffff, 0x5555_5555, 0xaaaa_aaaa]
    + (0..<32).flatMap { [1 << UInt32($0), ~(1 << UInt32($0))] }
    + (0..<100_000).map { UInt32(truncatingIfNeeded: $0 &* 2_654_435_761) }

  @Test func `only zero is an absent entry`() {
    #expect(PageTableEntry.absent.rawValue == 0)
    #expect(PageTableEntry.absent.isAbsent)
    for bit in 0..<64 { #expect(!PageTableEntry(rawValue: 1 << UInt64(bit)).isAbsent) }
    let absent = PageTableEntry.absent
    #expect(!absent.isPresent && !absent.isLeaf && !absent.isTable && !absent.isStatus)
    #expect(absent.status == nil)
  }

  @Test func `a status round-trips, and is no other kind of entry`() {
    var tally = Tally()
    for payload in payloads {
      let entry = PageTableEntry.status(payload)
      let isOther = entry.isAbsent || entry.isPresent || entry.isLeaf || entry.isTable
      tally.claim(entry.status == payload && entry.isStatus, "\(payload)")
      tally.claim(!isOther && !entry.ownsFrame, "kind of \(payload)")
    }
    tally.expectAll(atLeast: 200_000)
  }

  @Test func `the address field of a status is beyond 51 physical address bits`() {
    var tally = Tally()
    for payload in payloads {
      let field = PageTableEntry.status(payload).rawValue & 0x000f_ffff_ffff_f000
      tally.claim(field >= 1 << 51, "\(payload)")
      // With 52 bits: within the last 16 TiB of the 4 PiB.
      tally.claim(field >= 1 << 52 - 1 << 44, "\(payload) with 52 bits")
    }
    tally.expectAll(atLeast: 200_000)
  }

  @Test func `every status passes the validity check`() {
    var tally = Tally()
    for payload in payloads {
      for level in Samples.levels {
        let entry = PageTableEntry.status(payload)
        let isBad = entry.violatesReservedBits(at: level, mode: Samples.mode)
        tally.claim(!isBad, "\(payload) at \(level)")
        tally.claim(!entry.violatesOwnershipBits(at: level), "bits of \(payload) at \(level)")
      }
    }
    tally.expectAll(atLeast: 1_000_000)
  }
}
