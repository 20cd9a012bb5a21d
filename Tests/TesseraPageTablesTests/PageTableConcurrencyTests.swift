import Foundation
import SimulatedMachine
import Synchronization
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Races of processors for the same page tables.
  ///
  /// Nothing in the loops orders the processors but the code under test: what goes wrong is counted
  /// in plain memory and compared after all of them have ended. An expectation would take a lock of
  /// its own, after which ThreadSanitizer sees no race. `swift test --sanitize=thread --filter
  /// Concurrency` runs these under it.
  @Suite("Concurrency of page tables") struct PageTableConcurrencyTests {
    private static let rounds = 1500

    /// A machine whose page tables are reused as soon as they are removed.
    private func makeMachine(_ processorCount: Int) throws -> SimulatedMachine {
      let machine = SimulatedMachine(frameCount: 16384, processorCount: processorCount)
      try machine.startKernelSpace()
      return machine
    }

    @Test func `what one cursor writes the next one sees`() throws {
      let machine = try makeMachine(2)
      let space = try VmSpace()
      for page in [0, 0x20_0000] as [UInt64] { try mark(page, 4096, as: 9, in: space) }
      // Of the leaf table, of all below its parent, and of one page of each table.
      let ranges = [bytes(0, 0x20_0000), bytes(0, 0x40_0000), bytes(0x1000, 4096)]
      let words = PlainWords(1)
      let failures = PlainWords(2)
      machine.onEveryProcessor { number in
        for round in 0..<4 * Self.rounds {
          do throws(TesseraError) {
            let cursor = try space.cursor(over: ranges[(round + number) % ranges.count])
            words[0] += 1
            _ = consume cursor
          } catch { failures[number] += 1 }
        }
      }
      #expect(words[0] == 2 * 4 * UInt64(Self.rounds))
      #expect(failures[0] == 0 && failures[1] == 0)
      #expect(space.problems == [])
    }

    /// The reader translates without a lock, so the entry alone orders the bytes of the frame.
    @Test(arguments: [false, true])
    func `a page that is translated has the bytes that were written before it was mapped`(
      asSegment: Bool
    ) throws {
      let machine = try makeMachine(2)
      let space = try VmSpace()
      try mark(0, 4096, as: 9, in: space)
      let pageCount = UInt64(Self.rounds)
      let failures = PlainWords(2)
      machine.onEveryProcessor { number in
        for page in 1...pageCount {
          if number == 0 {
            if !Self.mapWritten(page, asSegment: asSegment, in: space) { failures[0] += 1 }
            continue
          }
          let address = VirtualAddress(page << 12)
          var found = space.translate(address)
          while found == nil {
            sched_yield()
            found = space.translate(address)
          }
          if Self.word(at: found!.address).pointee != page { failures[1] += 1 }
        }
      }
      #expect(failures[0] == 0 && failures[1] == 0)
      #expect(space.problems == [])
    }

    /// The word at `address`. Not by a load of raw memory, which ThreadSanitizer does not see.
    private static func word(at address: PhysicalAddress) -> UnsafeMutablePointer<UInt64> {
      PhysicalMemory.pointer(to: address).assumingMemoryBound(to: UInt64.self)
    }

    /// Writes the number of a page to a new frame and then maps it there. Returns whether it did.
    private static func mapWritten(
      _ page: UInt64, asSegment: Bool, in space: borrowing VmSpace
    ) -> Bool {
      do {
        var cursor = try space.cursor(over: bytes(page << 12, 4096))
        if asSegment {
          var segment: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
          word(at: segment?.address ?? .zero).pointee = page
          try cursor.map(&segment, as: .userRead)
        } else {
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          word(at: frame?.address ?? .zero).pointee = page
          try cursor.map(&frame, as: .userRead)
        }
        return true
      } catch { return false }
    }

    /// Two processors use a page each; the third removes all tables that the two need. The range
    /// that it does so with ends where it leaves the parent of the leaf tables, or removes it too.
    @Test(arguments: [UInt64(4 << 20), 1 << 30])
    func `a page belongs to one cursor at a time while its tables come and go`(
      removed: UInt64
    ) throws {
      let machine = try makeMachine(3)
      let space = try VmSpace()
      // Keep the tables above those that come and go.
      for page in [8 << 20, 2 << 30] as [UInt64] where page >= removed {
        try mark(page, 4096, as: 9, in: space)
      }
      let race = TableRace(processorCount: 3)
      machine.onEveryProcessor { number in
        for round in 0..<Self.rounds {
          if number < 2 {
            race.usePage(number, round, in: space)
          } else {
            race.removeAll(below: removed, in: space)
          }
        }
      }
      #expect(race.failures == [0, 0, 0])
      // Each page was used twice in each round, and removed once.
      #expect(race.useCount == UInt64(2 * 3 * Self.rounds))
      #expect(space.problems == [])
      #expect(machine.violations == [])
    }
  }
}

/// What three processors do to the same two pages, and what they know of it in plain memory.
private final class TableRace: @unchecked Sendable {
  private static let pages: [UInt64] = [0x1000, 0x2000]
  /// The status that each page has, or 0. Access: under a cursor over the page.
  private let statuses = PlainWords(2)
  /// The number of cursors that had each page. Access: under a cursor over the page.
  private let counts = PlainWords(2)
  private let wrong: PlainWords
  private let processorCount: Int

  init(processorCount: Int) {
    wrong = PlainWords(processorCount)
    self.processorCount = processorCount
  }

  /// The number of surprises of each processor.
  var failures: [UInt64] { (0..<processorCount).map { wrong[$0] } }
  /// The number of cursors that had either page.
  var useCount: UInt64 { counts[0] + counts[1] }

  /// Gives page `number` a status, and takes it away again unless that has been done.
  func usePage(_ number: Int, _ round: Int, in space: borrowing VmSpace) {
    let page = bytes(Self.pages[number], 4096)
    for isMapped in [true, false] {
      do {
        var cursor = try space.cursor(over: page)
        try compare(&cursor, number, number)
        if isMapped {
          statuses[number] = UInt64(round % 100 + 1)
          try cursor.setStatus(4096, to: UInt32(statuses[number]))
        } else {
          statuses[number] = 0
          try cursor.unmap(4096)
        }
      } catch { wrong[number] += 1 }
    }
  }

  /// Unmaps the addresses below `end`.
  func removeAll(below end: UInt64, in space: borrowing VmSpace) {
    let number = processorCount - 1
    do {
      var cursor = try space.cursor(over: bytes(0, end))
      for index in 0..<2 {
        try cursor.jump(to: VirtualAddress(Self.pages[index]))
        try compare(&cursor, index, number)
        statuses[index] = 0
      }
      try cursor.jump(to: VirtualAddress(0))
      try cursor.unmap(end)
    } catch { wrong[number] += 1 }
  }

  /// Counts a use of page `index`, at which `cursor` is, and compares its status.
  private func compare(_ cursor: inout Cursor, _ index: Int, _ number: Int) throws(TesseraError) {
    counts[index] += 1
    let status = statuses[index]
    let content: PageContent = status == 0 ? .absent : .status(UInt32(status))
    if try cursor.query().content != content { wrong[number] += 1 }
  }
}

/// Words that no processor accesses atomically.
final class PlainWords: @unchecked Sendable {
  private let words: UnsafeMutableBufferPointer<UInt64>

  init(_ count: Int) {
    words = .allocate(capacity: count)
    words.initialize(repeating: 0)
  }

  deinit { words.deallocate() }

  subscript(index: Int) -> UInt64 {
    get { words[index] }
    set { words[index] = newValue }
  }
}
