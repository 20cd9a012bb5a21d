import CTessera
import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

/// The machine that a walk through the pager runs on.
enum PagerOperationsMachine {
  /// The machine in use. Access: by the running test.
  nonisolated(unsafe) private static var current: SimulatedMachine?
  /// The error code of the fault of the last access, with bit 32 set; zero if there was none.
  nonisolated(unsafe) private static var lastFault: UInt64 = 0

  /// Walks on a new machine, and checks that nothing leaks.
  static func walk(
    seed: UInt64, operationCount: Int, isSlow: Bool,
    _ sabotage: RandomPagerOptions.Sabotage? = nil
  ) throws -> RandomPagerOutcome {
    // The walk takes as many frames as it has tables, and then all but some.
    let machine = SimulatedMachine(frameCount: 600, reserved: 1)
    current = machine
    defer { current = nil }
    try machine.startKernelSpace()
    _ = machine.mmu
    var options = RandomPagerOptions(
      seed: seed, operationCount: operationCount, isSlow: isSlow, machine: hooks)
    options.sabotage = sabotage
    options.episodeLength = min(options.episodeLength, operationCount)
    let used = FrameAllocator.statistics.usedFrameCount
    let outcome = RandomPagerOperations.run(options)
    if outcome.problem == nil, sabotage == nil {
      // The record of the processor's heap stays.
      #expect(FrameAllocator.statistics.usedFrameCount <= used + 1)
      #expect(machine.violations == [])
    }
    return outcome
  }

  private static let hooks = PagingMachine(
    failAllocation: { simulated_fail_allocation(UInt64($0)) },
    access: { PagerOperationsMachine.access($0, $1, $2) },
    lastFault: { PagerOperationsMachine.lastFault }, translates: { _, _, _ in true },
    isCoherent: { PagerOperationsMachine.isCoherent }, canExecute: false)

  private static func access(_ kind: Int, _ address: UInt64, _ word: UInt64) -> UInt64 {
    guard let mmu = current?.mmu else { return 0 }
    lastFault = 0
    var word = word
    let fault = mmu.use(&word, at: address, kind == 0 ? .read : .write)
    if case .page(_, let code) = fault {
      lastFault = UInt64(code.rawValue) | 1 << 32
    } else if let fault {
      Issue.record("an access to \(String(address, radix: 16)) ends with \(fault)")
    }
    return fault == nil && kind == 0 ? word : 0
  }

  private static var isCoherent: Bool {
    guard let mmu = current?.mmu else { return true }
    let found = mmu.incoherences(ignoringAccessed: true) + mmu.violations
    for sentence in found { print(sentence) }
    return found.isEmpty
  }
}
