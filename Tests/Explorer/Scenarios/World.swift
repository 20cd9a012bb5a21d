import ExplorerRuntime
import Foundation
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraPager
import TesseraSpaces

/// The machine of a scenario, what its processors share, and what is checked after each schedule.
final class World {
  let scenario: Scenario
  let machine: SimulatedMachine
  /// Not 0 once a space's destruction has begun.
  private let destroyed: UnsafeMutablePointer<UInt64>
  let spaces: UnsafeMutablePointer<VmSpace?>
  let frames: UnsafeMutablePointer<Frame<PlainMemory>?>
  let mappings: UnsafeMutablePointer<KernelMapping?>
  /// The addresses of objects of the heap, or zeros.
  let objects: UnsafeMutablePointer<UInt>
  /// The memory object, if the scenario has one, and whether there is a pager.
  let object: UnsafeMutablePointer<MemoryObject?>
  let isPaging: UnsafeMutablePointer<UInt64>
  /// What is in the stores of the pager.
  let swapWords = explorer_allocate(ExploredStore.byteCount)
  let fileWords = explorer_allocate(ExploredStore.byteCount)
  /// Frames that leave few free ones. They stay what they are in all schedules.
  private var fillers: [PhysicalAddress] = []
  var kernelAddresses = [UInt64](repeating: 0, count: placeCount)
  /// Where the frames were that were allocated while all was prepared.
  var frameAddresses = [PhysicalAddress](repeating: .zero, count: placeCount)
  private(set) var isPreparing = true
  private var keptState: SimulatedMMU.State?
  private var keptHaltedProcessors: Set<Int> = []
  private let usedFrameCount: UInt64
  private var problemText: UnsafeMutablePointer<CChar>?

  /// More spaces than a processor has identifiers for.
  static let placeCount = 10

  init(_ scenario: Scenario) throws {
    self.scenario = scenario
    SimulatedMachine.setFeatures(hasContextIdentifiers: scenario.hasContextIdentifiers)
    machine = SimulatedMachine(
      frameCount: scenario.frameCount, reserved: 1, processorCount: scenario.processorCount)
    explorer_add_memory(machine.memory.baseAddress!, machine.memory.count, "memory")
    explorer_add_memory(machine.frameMetadata.baseAddress!, machine.frameMetadata.count, "slots")
    destroyed = explorer_allocate(Self.placeCount * 8).bindMemory(
      to: UInt64.self, capacity: Self.placeCount)
    spaces = Self.allocate()
    frames = Self.allocate()
    mappings = Self.allocate()
    objects = explorer_allocate(Self.placeCount * 8).bindMemory(
      to: UInt.self, capacity: Self.placeCount)
    object = Self.allocate()
    object.initialize(to: nil)
    isPaging = explorer_allocate(8).bindMemory(to: UInt64.self, capacity: 1)
    for index in 0..<Self.placeCount {
      (spaces + index).initialize(to: nil)
      (frames + index).initialize(to: nil)
      (mappings + index).initialize(to: nil)
    }
    try machine.startKernelSpace()
    try machine.startProcessors()
    _ = machine.mmu
    NodePool.drain()
    usedFrameCount = FrameAllocator.statistics.usedFrameCount
    addLocks()
    try scenario.prepare(self)
    keptState = machine.mmu.state
    keptHaltedProcessors = machine.mmu.options.haltedProcessors
    isPreparing = false
  }

  private static func allocate<Value: ~Copyable>() -> UnsafeMutablePointer<Value?> {
    explorer_allocate(placeCount * MemoryLayout<Value?>.stride).bindMemory(
      to: Value?.self, capacity: placeCount)
  }

  /// Has the MMUs cache what they had cached when all was prepared.
  func restore() {
    machine.mmu.state = keptState!
    machine.mmu.options.haltedProcessors = keptHaltedProcessors
  }
}

extension World {
  /// Drops the space at `index`.
  func releaseSpace(_ index: Int) {
    destroyed[index] = 1
    (spaces + index).pointee = nil
  }

  func isBeingDestroyed(_ index: Int) -> Bool { destroyed[index] != 0 }
}

// What few scenarios prepare.
extension World {
  /// Allocates all frames but those in the caches of other processors.
  func useUpFrames() {
    FrameAllocator.drainCache()
    let others = FrameAllocator.statistics.cachedFrameCount
    while true {
      let now = FrameAllocator.statistics
      if now.freeFrameCount + now.cachedFrameCount <= others { return }
      guard let frame = try? Frame(allocating: PlainMemory()) else { return }
      fillers.append(frame.relinquish())
    }
  }

  /// Allocates a frame to the place at `index` with so many references that it is never freed, and
  /// with two more cannot be counted any more.
  func useFrameForEver(_ index: Int) {
    allocate(index)
    FrameTable.slot(number: frameAddresses[index].frameNumber).setCount(ReferenceCount.maximum - 2)
    fillers.append(frameAddresses[index])
  }

  /// Whether the frame of `useFrameForEver` has about as many references as it had.
  func isInUseForEver(_ index: Int) -> Bool {
    let count = FrameTable.slot(number: frameAddresses[index].frameNumber).count
    return count > ReferenceCount.maximum - 5 && count < .max - 10
  }
}

// What is checked.
extension World {
  /// What is wrong once all processors have ended.
  func problem() -> UnsafePointer<CChar>? {
    guard let sentence = scenario.check(self) ?? firstProblem() else { return nil }
    return keep(sentence)
  }

  /// A sentence for the explorer, until the next one.
  func keep(_ sentence: String) -> UnsafePointer<CChar>? {
    free(problemText)
    problemText = strdup(sentence)
    return UnsafePointer(problemText)
  }

  /// What of the state is not in memory: what the MMUs cache, and whether they have found anything.
  var digest: UInt64 { machine.mmu.digest }

  private func firstProblem() -> String? {
    if let found = machine.violations.first { return found }
    if scenario.checksCoherence {
      if let found = machine.mmu.incoherences(ignoringAccessed: true).first { return found }
    }
    if let found = kernelProblems.first { return found }
    for index in 0..<Self.placeCount {
      if let found = problems(ofSpace: index).first { return found }
      explorer_set_outcome(UInt32(index), digest(ofSpace: index))
    }
    return leak
  }

  private var kernelProblems: [String] {
    var found: [String] = []
    KernelSpace.checkInvariants { rule, _, _ in found.append("\(rule)") }
    return found
  }

  private func problems(ofSpace index: Int) -> [String] {
    var found: [String] = []
    withSpace(index) { space in
      space.checkInvariants { rule, address, level in
        found.append("\(rule) (\(String(address.rawValue, radix: 16)), level \(level.number))")
      }
    }
    return found
  }

  /// A number for what the pages of a space are, and for who has filled their frames.
  private func digest(ofSpace index: Int) -> UInt64 {
    var digest: UInt64 = 0
    withSpace(index) { space in
      digest = 1
      for page in Self.pages {
        guard let (frame, property) = space.translate(page) else { continue }
        let access = UInt64(property.access.rawValue)
        let isMemory = frame.rawValue < UInt64(machine.memory.count)
        let stamp = isMemory ? Self.stamp(of: frame).pointee : frame.rawValue
        let value = page.rawValue ^ access << 1 ^ stamp << 40
        digest = (digest ^ value) &* 0x9e37_79b9_7f4a_7c15
      }
    }
    return digest
  }

  /// Releases all that the scenario may hold, and returns what is missing then.
  private var leak: String? {
    for number in 0..<scenario.processorCount {
      asProcessor(number) { if ActiveSpace.isStartedHere { VmSpace.deactivate() } }
    }
    for index in 0..<Self.placeCount {
      releaseSpace(index)
      (frames + index).pointee = nil
      (mappings + index).pointee = nil
    }
    if let found = pagerProblem { return found }
    if let found = heapProblem { return found }
    NodePool.drain()
    let count = FrameAllocator.statistics.usedFrameCount - UInt64(fillers.count)
    if let found = machine.violations.first { return found }
    return count == usedFrameCount
      ? nil : "\(count) frames are in use once all is released, and \(usedFrameCount) were"
  }
}
