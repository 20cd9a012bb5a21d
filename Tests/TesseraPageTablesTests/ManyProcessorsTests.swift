import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// More processors than a word has bits.
  @Suite("Many processors") struct ManyProcessorsTests {
    private static let page: UInt64 = 1 << 30

    private static func makeMachine(_ processorCount: Int) throws -> SimulatedMachine {
      let machine = SimulatedMachine(frameCount: 1024, reserved: 1, processorCount: processorCount)
      try machine.startKernelSpace()
      try machine.startProcessors()
      machine.mmu.options.setsAccessedAndDirty = true
      return machine
    }

    /// A space with two pages, of which the processors in `users` have read the first.
    private static func makeSpace(
      on machine: SimulatedMachine, for users: [Int]
    ) throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: page, in: space)
      try mapFrame(at: page + 4096, in: space)
      for user in users {
        asProcessor(user) { space.activate() }
        _ = try machine.mmu.read(UInt64.self, at: page, on: user)
      }
      return space
    }

    private static func unmap(in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(page, 4096))
      try cursor.unmap(4096)
    }

    private static func leave(_ users: [Int]) {
      for user in users { asProcessor(user) { VmSpace.deactivate() } }
    }

    @Test(arguments: [[0, 64], [3, 63, 64, 127, 128], [511], Array(0..<65), Array(0..<512)])
    func `a processor that has used a page is asked, whatever its number`(users: [Int]) throws {
      let machine = try Self.makeMachine(512)
      do {
        let space = try Self.makeSpace(on: machine, for: users)
        let before = (FlushStatistics.requestCount, FlushStatistics.interruptCount)
        try asProcessor(200) { try Self.unmap(in: space) }
        let others = UInt64(users.filter { $0 != 200 }.count)
        #expect(FlushStatistics.requestCount == before.0 + others)
        #expect(FlushStatistics.interruptCount == before.1 + others)
        machine.checkCoherent()
        Self.leave(users)
      }
      #expect(machine.violations == [])
    }

    @Test func `without a request, processors of all groups keep stale translations`() throws {
      let machine = try Self.makeMachine(130)
      let users = [1, 64, 129]
      let space = try Self.makeSpace(on: machine, for: users)
      unsafe FlushSwitch.turnElsewhere(off: true)
      try Self.unmap(in: space)
      unsafe FlushSwitch.turnElsewhere(off: false)
      #expect(machine.mmu.incoherences(ignoringAccessed: true).count >= users.count)
      Self.leave(users)
    }

    @Test func `a kernel page is flushed on processors of all groups`() throws {
      let machine = try Self.makeMachine(130)
      var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let mapping = try KernelMapping(&frames)
      for user in 0..<130 {
        _ = try machine.mmu.read(
          UInt64.self, at: mapping.address.rawValue, as: .supervisor, on: user)
      }
      asProcessor(70) { ActiveSpace.stop() }
      machine.mmu.options.haltedProcessors = [70]
      let before = FlushStatistics.requestCount
      _ = consume mapping
      // The page, and the tables that have become empty.
      let asked = FlushStatistics.requestCount - before
      #expect(asked > 0 && asked % 128 == 0, "all but this one, and number 70")
      machine.checkCoherent()
      #expect(machine.violations == [])
    }

    @Test func `a processor above 63 that stops while it is asked is not waited for`() throws {
      let machine = try Self.makeMachine(130)
      let space = try Self.makeSpace(on: machine, for: [70, 129])
      // It is stopped before its interrupt arrives.
      simulated_set_interrupt_handler {
        if Processor.current == 70 { ActiveSpace.stop() } else { TLBShootdown.serve() }
      }
      machine.mmu.options.haltedProcessors = [70]
      try Self.unmap(in: space)
      simulated_set_interrupt_handler { TLBShootdown.serve() }
      Self.leave([129])
      #expect(machine.violations == [])
    }

    @Test func `each processor that is configured counts for itself`() throws {
      let machine = try Self.makeMachine(40)
      for processor in [15, 16, 17, 39] {
        let before = FlushStatistics.flushCount
        let space = try VmSpace()
        try asProcessor(processor) {
          try mapFrame(at: Self.page, in: space)
          try mapFrame(at: Self.page + 4096, in: space)
          space.activate()
          try Self.unmap(in: space)
          VmSpace.deactivate()
        }
        #expect(FlushStatistics.flushCount == before + 1)
      }
      #expect(machine.violations == [])
    }
  }

  /// As `ManyProcessorsTests`, at once.
  @Suite("Many processors at once") struct ManyProcessorsConcurrencyTests {
    /// Processors of two groups unmap pages that the others use, and so ask each other.
    @Test func `processors of different groups ask each other`() throws {
      let machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: 66)
      try machine.startKernelSpace()
      try machine.startProcessors()
      let space = SharedSpaceOfMany(try VmSpace())
      let failures = PlainWords(66)
      machine.onProcessors([0, 1, 64, 65]) { number in
        space.value.activate()
        for round in 0..<200 as Range<UInt64> {
          let address = 1 << 30 + (round % 8) << 12 + UInt64(number) << 16
          if !space.mapAndUnmap(address) { failures[number] += 1 }
        }
        VmSpace.deactivate()
      }
      for number in 0..<66 { #expect(failures[number] == 0) }
      #expect(machine.violations == [])
    }
  }
}

/// A space that several threads use.
private final class SharedSpaceOfMany: Sendable {
  let value: VmSpace

  init(_ space: consuming VmSpace) { value = space }

  /// Maps a page at `address`, and unmaps it. Returns whether both worked.
  func mapAndUnmap(_ address: UInt64) -> Bool {
    do {
      try mapFrame(at: address, in: value)
      try value.withCursor(over: bytes(address, 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
      return true
    } catch { return false }
  }
}
