import SimulatedMachine
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

/// A program that runs in user mode in a space: its kernel answers each of its faults, and it
/// repeats the access.
struct FaultingProgram {
  let machine: SimulatedMachine
  var options = SupplyOptions()

  /// Writes `value` at `address` in `space`, which it activates. Returns the answers to its faults.
  @discardableResult
  func write(
    _ value: UInt64, at address: UInt64, in space: borrowing VmSpace
  ) throws -> [FaultResolution] {
    try repeating(space) { try machine.mmu.write(value, at: address) }
  }

  /// Reads at `address` in `space`, which it activates. Returns the value, or nil if it is not
  /// allowed, and the answers to its faults.
  func read(
    at address: UInt64, in space: borrowing VmSpace
  ) throws -> (value: UInt64?, answers: [FaultResolution]) {
    var value: UInt64?
    let answers = try repeating(space) {
      value = try machine.mmu.read(UInt64.self, at: address)
    }
    return (value, answers)
  }

  private func repeating(
    _ space: borrowing VmSpace, _ access: () throws -> Void
  ) throws -> [FaultResolution] {
    space.activate()
    var answers: [FaultResolution] = []
    // A word may lie in two pages, and each may be read before it is written.
    while answers.count < 5 {
      do {
        try access()
        return answers
      } catch SimulatedPageFault.page(let address, let code) {
        let fault = TesseraFaults.PageFault(
          at: VirtualAddress(address), errorCode: UInt64(code.rawValue))
        answers.append(space.resolve(fault, options))
        if !answers[answers.count - 1].isResolved { return answers }
      }
    }
    Issue.record("an access faults again and again: \(answers)")
    return answers
  }
}

extension SimulatedMachine {
  /// Runs `body` with a space, and checks that nothing leaks and no invariant is violated.
  func inSpace(_ body: (borrowing VmSpace) throws -> Void) throws {
    NodePool.drain()
    let used = FrameAllocator.statistics.usedFrameCount
    do {
      let space = try VmSpace()
      try body(space)
      #expect(space.problems == [])
      VmSpace.deactivate()
    }
    NodePool.drain()
    #expect(FrameAllocator.statistics.usedFrameCount == used)
    #expect(violations == [])
  }
}
