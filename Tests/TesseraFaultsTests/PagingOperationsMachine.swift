import CTessera
import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// The machine that a walk through paging runs on.
enum PagingOperationsMachine {
  /// The machine in use. Access: by the running test.
  nonisolated(unsafe) private static var current: SimulatedMachine?
  /// The error code of the fault of the last access, with bit 32 set; zero if there was none.
  nonisolated(unsafe) private static var lastFault: UInt64 = 0

  /// What differs from one walk to another.
  struct Kind {
    /// Whether a processor faults where it has cached fewer rights than the tables have.
    var deliversSpuriousFaults = false
    /// The processor that walks, the only one that is started.
    var processor = 0
    var hasPool = false
    /// Whether a deliberate mistake is made, so that leaks are expected.
    var isSpoiled = false
  }

  /// Walks on a new machine, and checks that nothing leaks.
  static func walk(
    seed: UInt64, operationCount: Int, _ kind: Kind = Kind()
  ) throws -> RandomPagingOutcome {
    let machine = SimulatedMachine(
      frameCount: 16384, reserved: 8, processorCount: kind.processor + 1, hasPool: kind.hasPool)
    FrameTable.reserve(from: PhysicalAddress(0), to: machine.address(8), for: .reserved)
    current = machine
    defer { current = nil }
    return try asProcessor(kind.processor) {
      try machine.startKernelSpace()
      machine.mmu.options.deliversSpuriousFaults = kind.deliversSpuriousFaults
      var options = RandomPagingOptions(
        seed: seed, operationCount: operationCount, machine: hooks)
      options.isSpoiled = kind.isSpoiled
      options.episodeLength = min(1000, operationCount)
      let used = FrameAllocator.statistics.usedFrameCount
      let outcome = RandomPagingOperations.run(options)
      if outcome.problem == nil && !kind.isSpoiled {
        #expect(FrameAllocator.statistics.usedFrameCount == used)
        #expect(machine.violations == [])
      }
      return outcome
    }
  }

  private static let hooks = PagingMachine(
    failAllocation: { simulated_fail_allocation(UInt64($0)) },
    access: { PagingOperationsMachine.access($0, $1, $2) },
    lastFault: { PagingOperationsMachine.lastFault },
    translates: { PagingOperationsMachine.maps($0, $1, $2) },
    isCoherent: { PagingOperationsMachine.isCoherent }, canExecute: true,
    deviceMemory: 0)

  private static func access(_ kind: Int, _ address: UInt64, _ word: UInt64) -> UInt64 {
    guard let mmu = current?.mmu else { return 0 }
    lastFault = 0
    var word = word
    let kinds: [AccessKind] = [.read, .write, .fetch]
    let fault = mmu.use(&word, at: address, kinds[kind])
    if case .page(_, let code) = fault {
      lastFault = UInt64(code.rawValue) | 1 << 32
    } else if let fault {
      Issue.record("an access to \(String(address, radix: 16)) ends with \(fault)")
    }
    return fault == nil && kind == 0 ? word : 0
  }

  private static func maps(_ root: UInt64, _ address: UInt64, _ physical: UInt64) -> Bool {
    guard let page = current?.mmu.translation(of: address, root: root) else {
      return physical == .max
    }
    return page.physicalAddress + (address - page.virtualAddress) == physical
  }

  private static var isCoherent: Bool {
    guard let mmu = current?.mmu else { return true }
    let found = mmu.incoherences(ignoringAccessed: true) + mmu.violations
    for sentence in found { print(sentence) }
    return found.isEmpty
  }
}
