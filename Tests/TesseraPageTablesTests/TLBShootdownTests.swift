import CTessera
import Foundation
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// A change that makes translations of pages from 1 GiB on stale.
struct StaleMaker: CustomTestStringConvertible, Sendable {
  let testDescription: String
  let change: @Sendable (inout Cursor) throws -> Void

  init(_ testDescription: String, _ change: @escaping @Sendable (inout Cursor) throws -> Void) {
    self.testDescription = testDescription
    self.change = change
  }

  static let all: [StaleMaker] = [
    .init("one page unmapped") { try $0.unmap(4096) },
    .init("eight pages unmapped") { try $0.unmap(8 * 4096) },
    .init("two pages apart unmapped") { cursor in
      try cursor.unmap(4096)
      try cursor.jump(to: VirtualAddress(1 << 30 + 5 << 12))
      try cursor.unmap(4096)
    },
    .init("a whole leaf table unmapped") { try $0.unmap(512 * 4096) },
    .init("writing removed") { try $0.protect(3 * 4096, to: .read) },
    .init("all rights removed") { try $0.protect(4096, to: .none) },
    .init("a page replaced") { cursor in
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      try cursor.replace(with: &frame, as: .userReadWrite)
    },
    .init("a dirty bit cleared") { $0.clearDirty(4096) },
    .init("pages made a status") { cursor in
      try cursor.unmap(2 * 4096)
      try cursor.jump(to: VirtualAddress(1 << 30))
      try cursor.setStatus(2 * 4096, to: 7)
    },
  ]
}

/// A space that several threads use.
private final class SharedSpace: Sendable {
  let value: VmSpace

  init(_ space: consuming VmSpace) { value = space }

  /// Unmaps `pageCount` pages at `start`, which are mapped.
  func unmap(_ pageCount: UInt64, at start: UInt64) {
    do {
      try value.withCursor(over: bytes(start, pageCount * 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(pageCount * 4096)
      }
    } catch { Issue.record(error) }
  }
}

/// A page of the kernel's, which one thread unmaps.
private final class KernelPage: @unchecked Sendable {
  private var mapping: KernelMapping?

  init() throws {
    var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
    mapping = try KernelMapping(&frames)
  }

  func unmap() { mapping = nil }
}

extension OnSimulatedMachine {
  /// What one processor changes, the others find changed.
  @Suite("TLB shootdown") struct TLBShootdownTests {
    private static let start: UInt64 = 1 << 30
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 4096, processorCount: 4)
      try machine.startKernelSpace()
      try machine.startProcessors()
      machine.mmu.options.setsAccessedAndDirty = true
    }

    /// A space with 512 pages from `start`, active on processors 1 and 2, which have used them. It
    /// has a page after them, so that no table above the pages becomes empty.
    private func makeUsedSpace() throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: Self.start + 512 << 12, in: space)
      try mapSegment(512, at: Self.start, in: space)
      for processor in 1...2 {
        asProcessor(processor) { space.activate() }
        for page in 0..<512 as Range<UInt64> {
          try machine.mmu.write(page, at: Self.start + page << 12, on: processor)
        }
      }
      return space
    }

    private func leave() {
      for processor in 1...2 { asProcessor(processor) { VmSpace.deactivate() } }
    }

    private func make(_ change: StaleMaker, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(Self.start, 512 * 4096))
      try change.change(&cursor)
    }

    @Test(arguments: StaleMaker.all)
    func `no processor keeps a stale translation`(change: StaleMaker) throws {
      do {
        let space = try makeUsedSpace()
        let before = FlushStatistics.requestCount
        try make(change, in: space)
        machine.checkCoherent()
        #expect(FlushStatistics.requestCount == before + 2)
        leave()
      }
      #expect(machine.violations == [])
    }

    /// The detector sees: without the request, the others keep them.
    @Test(arguments: StaleMaker.all)
    func `without a request, others keep stale translations`(change: StaleMaker) throws {
      let space = try makeUsedSpace()
      unsafe FlushSwitch.turnElsewhere(off: true)
      try make(change, in: space)
      unsafe FlushSwitch.turnElsewhere(off: false)
      #expect(machine.mmu.incoherences(ignoringAccessed: true).count >= 2)
      leave()
    }

    @Test func `only processors that run on the space are asked`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x6000, in: space)
      func requests(_ body: () throws -> Void) rethrows -> UInt64 {
        let before = FlushStatistics.requestCount
        try body()
        return FlushStatistics.requestCount - before
      }
      func unmapOne() throws {
        try mapFrame(at: 0x5000, in: space)
        try space.withCursor(over: bytes(0x5000, 4096)) { cursor throws(TesseraError) in
          try cursor.unmap(4096)
        }
      }
      #expect(try requests(unmapOne) == 0)
      space.activate()
      #expect(try requests(unmapOne) == 0)
      asProcessor(3) { space.activate() }
      #expect(try requests(unmapOne) == 1)
      asProcessor(3) { VmSpace.deactivate() }
      #expect(try requests(unmapOne) == 0)
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    /// All 512 pages too: the table that has become empty is removed with the same flush.
    @Test(arguments: [1, 8, 33, 511, 512] as [UInt64], [false, true])
    func `a change of any length asks each processor once`(
      pageCount: UInt64, inRangeOfItsOwn: Bool
    ) throws {
      let space = try makeUsedSpace()
      let rangeLength = inRangeOfItsOwn ? pageCount : 512
      let before = (FlushStatistics.requestCount, FlushStatistics.interruptCount)
      let range = bytes(Self.start, rangeLength * 4096)
      try space.withCursor(over: range) { cursor throws(TesseraError) in
        try cursor.unmap(pageCount * 4096)
      }
      let isTableLeft = space.rootNode.node(for: Self.start, at: 1) != nil
      #expect(isTableLeft == (pageCount < 512))
      #expect(FlushStatistics.requestCount == before.0 + 2)
      #expect(FlushStatistics.interruptCount == before.1 + 2)
      leave()
    }

    @Test func `all processors are asked when kernel pages change`() throws {
      // Keeps the tables.
      var others: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let other = try KernelMapping(&others)
      defer { _ = other.range }
      let before = FlushStatistics.requestCount
      let address: UInt64
      do {
        var frames: Segment<PlainMemory>? = try Segment(allocating: 3) { _ in PlainMemory() }
        let mapping = try KernelMapping(&frames)
        address = mapping.address.rawValue
        for processor in 0..<4 {
          try machine.mmu.write(7 as UInt64, at: address, as: .supervisor, on: processor)
        }
        #expect(FlushStatistics.requestCount == before)
      }
      #expect(FlushStatistics.requestCount == before + 3)
      machine.checkCoherent()
      for processor in 0..<4 {
        #expect(throws: PageFault.self) {
          _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor, on: processor)
        }
      }
      #expect(machine.violations == [])
    }

    @Test func `a processor that has left the space answers, and flushes nothing`() throws {
      let space = try makeUsedSpace()
      // Its interrupt is late: it comes when the processor runs on another space.
      simulated_set_interrupt_handler {
        if Processor.current == 1 {
          simulated_registers_of(1).pointee.cr3 = KernelSpace.rootAddress.rawValue
        }
        TLBShootdown.serve()
      }
      let before = FlushStatistics.flushCount
      try space.withCursor(over: bytes(Self.start, 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
      #expect(FlushStatistics.flushCount == before + 1, "processor 2 alone")
      simulated_registers_of(1).pointee.cr3 = space.rootAddress.rawValue
      leave()
    }

    /// What two processors ask the third for before it answers.
    struct TwoRequests: CustomTestStringConvertible, Sendable {
      let testDescription: String
      /// The numbers of pages that processors 1 and 2 unmap, 512 pages apart; nil for a kernel
      /// page.
      let first: UInt64
      let second: UInt64?
      /// How often the third flushes everything, and how many pages it flushes one by one.
      let fullFlushes, pages: UInt64

      static let all = [
        TwoRequests(testDescription: "twice everything", first: 40, second: 50, fullFlushes: 1),
        TwoRequests(
          testDescription: "everything, and a page", first: 40, second: 1, fullFlushes: 1),
        TwoRequests(
          testDescription: "a page, and everything", first: 1, second: 40, fullFlushes: 1),
        TwoRequests(
          testDescription: "everything, and a kernel page", first: 40, second: nil, fullFlushes: 1,
          pages: 1),
        TwoRequests(testDescription: "two single pages", first: 1, second: 1, pages: 2),
      ]

      init(
        testDescription: String, first: UInt64, second: UInt64?, fullFlushes: UInt64 = 0,
        pages: UInt64 = 0
      ) {
        self.testDescription = testDescription
        self.first = first
        self.second = second
        self.fullFlushes = fullFlushes
        self.pages = pages
      }
    }

    @Test(arguments: TwoRequests.all)
    func `a processor answers several at once, and flushes everything at most once`(
      requests: TwoRequests
    ) throws {
      do {
        let space = SharedSpace(try makeSpaceOfTwoParts())
        let (kernelPage, neighbor) = (try KernelPage(), try KernelPage())
        defer { withExtendedLifetime(neighbor) {} }
        asProcessor(3) { space.value.activate() }
        // The third is interrupted late; the others, who ask, answer at once.
        simulated_set_interrupt_handler { if Processor.current != 3 { TLBShootdown.serve() } }
        let fullFlushes = FlushStatistics.fullFlushCount
        let pages = FlushStatistics.pageCount
        // A kernel page is flushed on all four processors, one of which is the asker.
        let expected = FlushStatistics.requestCount + (requests.second == nil ? 4 : 2)
        machine.onEveryProcessor { processor in
          switch processor {
          case 1: space.unmap(requests.first, at: Self.start)
          case 2:
            guard let count = requests.second else { return kernelPage.unmap() }
            space.unmap(count, at: Self.start + 1 << 21)
          case 3:
            while FlushStatistics.requestCount < expected { sched_yield() }
            TLBShootdown.serve()
          default: break
          }
        }
        simulated_set_interrupt_handler { TLBShootdown.serve() }
        #expect(FlushStatistics.fullFlushCount == fullFlushes + requests.fullFlushes)
        let elsewhere: UInt64 = requests.second == nil ? 3 : 0
        #expect(FlushStatistics.pageCount == pages + requests.pages + elsewhere)
        machine.checkCoherent()
        asProcessor(3) { VmSpace.deactivate() }
      }
      #expect(machine.violations == [])
    }

    private func makeSpaceOfTwoParts() throws -> VmSpace {
      let space = try VmSpace()
      for part in 0..<2 as Range<UInt64> {
        try mapSegment(500, at: Self.start + part << 21, in: space)
      }
      return space
    }

    @Test func `a processor that never answers is named`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 512, processorCount: 4)
        try machine.startKernelSpace()
        try machine.startProcessors()
        let space = try VmSpace()
        try mapFrame(at: 0x5000, in: space)
        asProcessor(2) { space.activate() }
        simulated_set_interrupt_handler {}
        TLBShootdown.setPatience(1000)
        var cursor = try space.cursor(over: bytes(0x5000, 4096))
        try cursor.unmap(4096)
      }
      try expectPanic(
        in: result, "a processor does not answer a request to flush its TLB; its number is: 0x2")
    }
  }
}
