import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Programming errors panic. Each test matches its panic text.
  @Suite("Traps of the pager") struct PagerTrapTests {
    private static var sentence: String {
      "a transfer of a page was finished that is not under way"
    }

    @Test(arguments: [0, 1, 4096, 4097, 4098, 1 << 40, .max] as [UInt64])
    func `finishing what never began panics`(token: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [token] in
        try OnePager.start()
        Pager.finish(token, succeeded: true)
      }
      try expectPanic(in: result, Self.sentence)
    }

    @Test(arguments: [false, true])
    func `finishing a read twice panics`(succeeds: Bool) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [succeeds] in
        try OnePager.start()
        try OnePager.withTransfer(isWrite: false) { token in
          Pager.finish(token, succeeded: succeeds)
          Pager.finish(token, succeeded: succeeds)
        }
      }
      try expectPanic(in: result, Self.sentence)
    }

    @Test(arguments: [false, true])
    func `finishing a write twice panics`(succeeds: Bool) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [succeeds] in
        try OnePager.start()
        try OnePager.withTransfer(isWrite: true) { token in
          Pager.finish(token, succeeded: succeeds)
          Pager.finish(token, succeeded: succeeds)
        }
      }
      try expectPanic(in: result, Self.sentence)
    }

    @Test(arguments: [false, true])
    func `finishing a transfer as one of the other direction panics`(isWrite: Bool) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [isWrite] in
        try OnePager.start()
        try OnePager.withTransfer(isWrite: isWrite) { Pager.finish($0 ^ 1, succeeded: true) }
      }
      try expectPanic(in: result, Self.sentence)
    }

    @Test func `the right tokens do not panic`() async throws {
      await #expect(processExitsWith: .success) {
        try OnePager.start()
        for isWrite in [false, true] {
          try OnePager.withTransfer(isWrite: isWrite) { Pager.finish($0, succeeded: true) }
        }
      }
    }

    @Test func `paging a space without the pager panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OnePager.start()
        Pager.stop()
        try VmSpace().startPaging()
      }
      try expectPanic(in: result, "a space cannot be paged before the pager was started")
    }

    @Test func `mapping an object in a space that is not paged panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OnePager.start()
        let object = try MemoryObject(byteCount: 4096)
        try VmSpace().map(object, at: bytes(1 << 30, 4096), as: .userRead)
      }
      try expectPanic(in: result, "a memory object was mapped in a space that is not paged")
    }

    @Test func `a low mark above the high one panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OnePager.start()
        Pager.setMarks(low: 2, high: 1)
      }
      try expectPanic(in: result, "the low mark of free frames is above the high one")
    }

    @Test(arguments: [-1, 0, 3, 1024])
    func `a block around a fault that is no power of two up to 512 panics`(
      count: Int
    ) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [count] in
        _ = SupplyOptions(cachedPageCount: count)
      }
      try expectPanic(
        in: result, "number of pages around a fault is not a power of two up to 512")
      // The others do not.
      for exponent in 0...9 { _ = SupplyOptions(cachedPageCount: 1 << exponent) }
    }

    @Test func `a second swap store panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OnePager.start()
        let store = TestStore()
        try Pager.startSwap(store.pageStore, pageCount: 10)
        try Pager.startSwap(store.pageStore, pageCount: 10)
      }
      try expectPanic(in: result, "there is a swap store already")
    }

    @Test(arguments: [0, 1 << 31] as [UInt32])
    func `a swap store of no pages, or of too many, panics`(pageCount: UInt32) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [pageCount] in
        try OnePager.start()
        try Pager.startSwap(TestStore().pageStore, pageCount: pageCount)
      }
      try expectPanic(in: result, "a swap store has no pages, or more than can be numbered")
    }
  }
}

/// A machine with a pager, for exit tests.
private enum OnePager {
  static func start() throws {
    SimulatedMachine.permanent(frameCount: 300)
    let root = try FrameAllocator.allocate()
    unsafe Processor.loadRootRegister(root.rawValue)
    try KernelSpace.start()
    try Pager.start()
  }

  /// Begins to read a page of an object, or to write it, and calls `body` with the token.
  static func withTransfer(isWrite: Bool, _ body: (UInt64) -> Void) throws {
    let store = TestStore()
    let object = try MemoryObject(byteCount: 4096, store: store.pageStore)
    store.isSlow = !isWrite
    #expect(object.write(1, toPage: 0) == (isWrite ? .resolved(.nothing) : .busy))
    store.isSlow = true
    if isWrite { #expect(object.synchronize().beingWritten == 1) }
    body(try #require(store.waitingTokens.first))
  }
}
