import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraSpaces

/// A program that runs in user mode in a space that is paged: its kernel answers each of its
/// faults, has the store finish what it has begun where a page is busy, and it repeats the access.
struct PagedProgram {
  let machine: SimulatedMachine
  var store: TestStore

  /// Writes `value` at `address` in `space`, which it activates. Returns the answers to its faults.
  @discardableResult
  func write(
    _ value: UInt64, at address: UInt64, in space: borrowing VmSpace
  ) throws -> [FaultResolution] {
    try repeating(space) { try machine.mmu.write(value, at: address) }
  }

  /// Reads at `address` in `space`, which it activates. Returns the value, or nil if it is not
  /// allowed.
  func read(at address: UInt64, in space: borrowing VmSpace) throws -> UInt64? {
    var value: UInt64?
    try repeating(space) { value = try machine.mmu.read(UInt64.self, at: address) }
    return value
  }

  /// Expects that `value` is read at `address` in `space`, or that it is denied if that is nil.
  func expect(
    _ value: UInt64?, at address: UInt64, in space: borrowing VmSpace,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = try read(at: address, in: space)
    #expect(found == value, "at \(String(address, radix: 16))", sourceLocation: sourceLocation)
  }

  @discardableResult
  private func repeating(
    _ space: borrowing VmSpace, _ access: () throws -> Void
  ) throws -> [FaultResolution] {
    space.activate()
    var answers: [FaultResolution] = []
    while answers.count < 50 {
      do {
        try access()
        return answers
      } catch SimulatedPageFault.page(let address, let code) {
        let fault = TesseraFaults.PageFault(
          at: VirtualAddress(address), errorCode: UInt64(code.rawValue))
        let answer = space.resolve(fault)
        answers.append(answer)
        if answer == .busy { store.finishAll() } else if !answer.isResolved { return answers }
      }
    }
    Issue.record("an access faults again and again: \(answers)")
    return answers
  }
}

extension SimulatedMachine {
  /// Runs `body` with a space that is paged, with a swap store of `slotCount` pages, and checks
  /// that no frame and no slot is lost, and no invariant violated.
  func withPager(
    slotCount: UInt32 = 4096, _ store: TestStore = TestStore(),
    _ body: (borrowing VmSpace, PagedProgram) throws -> Void
  ) throws {
    NodePool.drain()
    // The record of the processor's heap stays.
    unsafe Heap.free(try Heap.allocate(byteCount: 16))
    Heap.trim()
    NodePool.drain()
    let used = FrameAllocator.statistics.usedFrameCount
    try Pager.start()
    try Pager.startSwap(store.pageStore, pageCount: slotCount)
    do {
      let space = try VmSpace()
      try space.startPaging()
      try body(space, PagedProgram(machine: self, store: store))
      #expect(space.problems == [])
      VmSpace.deactivate()
    }
    store.finishAll()
    #expect(Pager.swapUsage.used == 0)
    Pager.stop()
    NodePool.drain()
    Heap.trim()
    #expect(FrameAllocator.statistics.usedFrameCount == used)
    #expect(violations == [])
  }
}
