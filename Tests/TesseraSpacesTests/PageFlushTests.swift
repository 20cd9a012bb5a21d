import CTessera
import SimulatedMachine
import Synchronization
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// A space that several threads use.
private final class SharedSpace: Sendable {
  let value: VmSpace

  init(_ space: consuming VmSpace) { value = space }
}

/// Unmaps the page at `page`, and leaves to `flusher` when it is flushed.
private func unmap<Flusher: PageFlusher & ~Copyable & ~Escapable>(
  _ page: UInt64, _ mapper: borrowing PageMapper, _ flusher: inout Flusher
) throws(TesseraError) {
  flusher.consume(try mapper.unmap(VirtualAddress(page)))
}

extension OnSimulatedMachine {
  /// When a page mapper flushes, how often, and on which processors.
  @Suite("Flushes of a page mapper") struct PageFlushTests {
    private static let start: UInt64 = 1 << 30
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1024, processorCount: 4)
      try machine.startKernelSpace()
      try machine.startProcessors()
      machine.mmu.options.setsAccessedAndDirty = true
    }

    private static func page(_ number: UInt64) -> VirtualAddress {
      VirtualAddress(start + number << 12)
    }
    private let range = bytes(PageFlushTests.start, 64 * 4096)

    /// A space with 64 pages from `start` and one after them, so that no table becomes empty. It is
    /// active on `processors`, which have used the pages.
    private func makeSpace(on processors: [Int]) throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: Self.start + 511 << 12, in: space)
      try mapSegment(64, at: Self.start, in: space)
      for processor in processors {
        asProcessor(processor) { space.activate() }
        for page in 0..<64 as Range<UInt64> {
          try machine.mmu.write(page, at: Self.page(page).rawValue, on: processor)
        }
      }
      return space
    }

    private func leave(_ processors: [Int]) {
      for processor in processors { asProcessor(processor) { VmSpace.deactivate() } }
    }

    /// What has been flushed since the start.
    private struct Flushes: Equatable {
      /// Flushes of single pages or everything, counted on each processor.
      var count: UInt64
      /// Pages that processors have invalidated.
      var invalidations: Int
      /// Other processors that were asked.
      var requests: UInt64

      static func - (now: Flushes, before: Flushes) -> Flushes {
        Flushes(
          count: now.count - before.count,
          invalidations: now.invalidations - before.invalidations,
          requests: now.requests - before.requests)
      }
    }

    private var flushes: Flushes {
      Flushes(
        count: FlushStatistics.flushCount + FlushStatistics.fullFlushCount,
        invalidations: machine.mmu.statistics.pageInvalidations,
        requests: FlushStatistics.requestCount)
    }

    private func flushes(
      of space: borrowing VmSpace,
      in body: (borrowing PageMapper) throws(TesseraError) -> Void
    ) throws(TesseraError) -> Flushes {
      let before = flushes
      try space.withPageMapper(over: range, body)
      return flushes - before
    }

    /// Expects that no processor has a translation of page `number` left.
    private func expectNone(
      of number: UInt64, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      let address = Self.page(number).rawValue
      machine.expectNoCachedRights(in: address..<address + 4096, sourceLocation: sourceLocation)
    }

    private func isCached(_ number: UInt64) -> Bool {
      let address = Self.page(number).rawValue
      return machine.mmu.cachedAccesses(in: address..<address + 4096) != []
    }

    @Test(arguments: [false, true])
    func `a page is flushed once, by its token or by the end of it`(isExplicit: Bool) throws {
      let space = try makeSpace(on: [0, 1, 2])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        let token = try mapper.unmap(Self.page(3))
        let wasCached = isCached(3)
        let wasPending = token.isPending
        #expect(wasCached && wasPending, "nothing is flushed before")
        if isExplicit { token.flush() } else { _ = consume token }
        expectNone(of: 3)
      }
      // This processor and the two others, each once.
      #expect(done == Flushes(count: 3, invalidations: 3, requests: 2))
      machine.checkCoherent()
      leave([0, 1, 2])
      #expect(machine.violations == [])
    }

    @Test func `a page that was not mapped before needs no flush`() throws {
      let space = try makeSpace(on: [0, 1])
      let empty = bytes(Self.start + 64 << 12, 2 * 4096)
      let before = flushes
      try space.withPageMapper(over: empty) { mapper throws(TesseraError) in
        let token = try mapper.map(empty.lowerBound, as: .userReadWrite)
        let isPending = token.isPending
        #expect(!isPending)
        token.flush()
      }
      #expect(flushes == before)
      machine.checkCoherent()
      leave([0, 1])
    }

    @Test(arguments: [(3, 3), (5, 9)] as [(UInt64, UInt64)])
    func `a token flushes nothing if only other pages are pending`(
      first: UInt64, last: UInt64
    ) throws {
      let space = try makeSpace(on: [0, 1])
      let before = flushes
      try space.withPageMapper(over: range) { mapper throws(TesseraError) in
        try mapper.unmap(Self.page(first)).postpone()
        if last > first { try mapper.unmap(Self.page(last)).postpone() }
        for number in [0, first - 1, first + 1, last + 1, 63] {
          let token = try mapper.remap(Self.page(number), as: .userReadWrite.with(software: 1))
          let isPending = token.isPending
          #expect(!isPending)
          token.flush()
        }
        let wasCached = isCached(first) && isCached(last)
        #expect(wasCached && flushes == before)
      }
      #expect((flushes - before).count == 2)
      leave([0, 1])
      #expect(machine.violations == [])
    }

    @Test func `rights that are added need no flush, and rights that are removed do`() throws {
      let space = try makeSpace(on: [0, 1])
      let removed = try flushes(of: space) { mapper throws(TesseraError) in
        try mapper.remap(Self.page(1), as: .userRead).flush()
        machine.checkCoherent()
      }
      #expect(removed == Flushes(count: 2, invalidations: 2, requests: 1))
      let added = try flushes(of: space) { mapper throws(TesseraError) in
        let token = try mapper.remap(Self.page(1), as: .userReadWrite)
        let isPending = token.isPending
        #expect(!isPending)
      }
      #expect(added == Flushes(count: 0, invalidations: 0, requests: 0))
      leave([0, 1])
      #expect(machine.violations == [])
    }

    @Test func `a batch flushes once for all its tokens`() throws {
      let space = try makeSpace(on: [0, 1, 2])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        var batch = mapper.batch()
        for number in 3..<8 as Range<UInt64> {
          try unmap(Self.page(number).rawValue, mapper, &batch)
        }
        batch.consume(try mapper.remap(Self.page(20), as: .userRead))
        let wasCached = isCached(3)
        #expect(wasCached, "nothing is flushed before")
        batch.flush()
        for number in 3..<8 as Range<UInt64> { expectNone(of: number) }
        machine.checkCoherent()
      }
      #expect(done == Flushes(count: 3, invalidations: 3 * 6, requests: 2))
      leave([0, 1, 2])
      #expect(machine.violations == [])
    }

    @Test func `a batch that is forgotten flushes, and an empty one does not`() throws {
      let space = try makeSpace(on: [0, 1])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        do {
          var batch = mapper.batch()
          batch.consume(try mapper.unmap(Self.page(3)))
        }
        expectNone(of: 3)
        let empty = mapper.batch()
        empty.flush()
      }
      #expect(done == Flushes(count: 2, invalidations: 2, requests: 1))
      leave([0, 1])
      #expect(machine.violations == [])
    }

    @Test func `an immediate flusher flushes each page at once`() throws {
      let space = try makeSpace(on: [0, 1])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        var flusher = ImmediateFlusher()
        try unmap(Self.page(3).rawValue, mapper, &flusher)
        expectNone(of: 3)
        try unmap(Self.page(4).rawValue, mapper, &flusher)
        expectNone(of: 4)
      }
      #expect(done == Flushes(count: 4, invalidations: 4, requests: 2))
      leave([0, 1])
    }

    @Test func `what one token flushes, another does not flush again`() throws {
      let space = try makeSpace(on: [0, 1])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        let first = try mapper.unmap(Self.page(3))
        let second = try mapper.remap(Self.page(9), as: .userRead)
        let areBothPending = first.isPending && second.isPending
        #expect(areBothPending)
        second.flush()
        let isPending = first.isPending
        #expect(!isPending)
        first.flush()
      }
      #expect(done == Flushes(count: 2, invalidations: 4, requests: 1))
      leave([0, 1])
    }

    @Test func `a postponed page is flushed when the mapper ends, and freed then`() throws {
      let space = try makeSpace(on: [0, 1])
      let freed = machine.mmu.statistics.freedFrames
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        try mapper.unmap(Self.page(3)).postpone()
        let wasCached = isCached(3)
        let now = machine.mmu.statistics.freedFrames
        #expect(wasCached && now == freed)
      }
      #expect(done == Flushes(count: 2, invalidations: 2, requests: 1))
      expectNone(of: 3)
      #expect(machine.mmu.statistics.freedFrames == freed + 1)
      leave([0, 1])
      #expect(machine.violations == [])
    }

    @Test func `a flushed page is freed only when the mapper ends`() throws {
      let space = try makeSpace(on: [0, 1])
      let freed = machine.mmu.statistics.freedFrames
      try space.withPageMapper(over: range) { mapper throws(TesseraError) in
        try mapper.unmap(Self.page(3)).flush()
        let now = machine.mmu.statistics.freedFrames
        #expect(now == freed, "a frame is not freed with a lock held")
      }
      #expect(machine.mmu.statistics.freedFrames == freed + 1)
      leave([0, 1])
    }

    @Test func `a page that is mapped again is flushed first`() throws {
      let space = try makeSpace(on: [0, 1])
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        try mapper.unmap(Self.page(3)).postpone()
        let token = try mapper.map(Self.page(3), as: .userReadWrite)
        machine.checkCoherent()
        let isPending = token.isPending
        #expect(!isPending)
      }
      #expect(done == Flushes(count: 2, invalidations: 2, requests: 1))
      leave([0, 1])
      #expect(machine.violations == [])
    }

    /// Only processors that run on the space are asked, and they have answered.
    @Test(arguments: [[], [3], [1, 2, 3]])
    func `a space that is not active here is flushed where it is`(processors: [Int]) throws {
      let space = try makeSpace(on: processors)
      let count = UInt64(processors.count)
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        var batch = mapper.batch()
        batch.consume(try mapper.unmap(Self.page(3)))
        batch.flush()
        expectNone(of: 3)
      }
      #expect(
        done == Flushes(count: count, invalidations: processors.count, requests: count))
      leave(processors)
      #expect(machine.violations == [])
    }

    @Test func `a token of another mapper is flushed by a batch at once`() throws {
      let space = try makeSpace(on: [0, 1])
      let other = try VmSpace()
      let done = try flushes(of: space) { mapper throws(TesseraError) in
        try other.withPageMapper(over: bytes(0x5000, 4096)) { otherMapper throws(TesseraError) in
          var batch = otherMapper.batch()
          batch.consume(try mapper.unmap(Self.page(3)))
          expectNone(of: 3)
        }
      }
      #expect(done == Flushes(count: 2, invalidations: 2, requests: 1))
      leave([0, 1])
    }

    @Test func `after an error of the closure all is flushed, and nothing locked`() throws {
      let space = try makeSpace(on: [0, 1])
      #expect(throws: TesseraError.notMapped(Self.page(3))) {
        try space.withPageMapper(over: range) { mapper throws(TesseraError) in
          var batch = mapper.batch()
          batch.consume(try mapper.unmap(Self.page(3)))
          batch.consume(try mapper.unmap(Self.page(3)))
        }
      }
      expectNone(of: 3)
      machine.checkCoherent()
      #expect(simulated_current_processor().pointee.preemption_depth == 0)
      try space.withPageMapper(over: range) { mapper throws(TesseraError) in
        try mapper.map(Self.page(3), as: .userReadWrite).flush()
      }
      leave([0, 1])
      #expect(machine.violations == [])
    }

    /// The second comer needs no flush itself. Were it let in before, it would return while another
    /// processor still has the old translation.
    @Test func `a page whose flush is pending is not mapped by another processor`() throws {
      let space = SharedSpace(try makeSpace(on: [2]))
      let (isUnmapped, isEnding) = (Flag(), Flag())
      let mmu = machine.mmu
      machine.onProcessors([0, 1]) { number in
        do throws(TesseraError) {
          if number == 0 {
            try space.value.withPageMapper(over: bytes(Self.start, 64 * 4096)) {
              mapper throws(TesseraError) in
              try mapper.unmap(Self.page(3)).postpone()
              isUnmapped.set()
              // Long enough for the other to get in if it could.
              for _ in 0..<20_000 { Processor.pause() }
              isEnding.set()
            }
          } else {
            while !isUnmapped.isSet { Processor.pause() }
            try space.value.withPageMapper(over: bytes(Self.start, 4 * 4096)) {
              mapper throws(TesseraError) in
              let wasEnding = isEnding.isSet
              #expect(wasEnding, "it was let in while the flush was pending")
              try mapper.map(Self.page(3), as: .userReadWrite).flush()
              #expect(mmu.incoherences(root: nil, except: [], ignoringAccessed: true) == [])
            }
          }
        } catch { Issue.record(error) }
      }
      leave([2])
      #expect(machine.violations == [])
    }
  }
}

/// A flag that one thread sets and another waits for.
private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)

  var isSet: Bool { value.load(ordering: .acquiring) }

  func set() { value.store(true, ordering: .releasing) }
}
