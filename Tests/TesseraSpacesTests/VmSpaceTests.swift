import Foundation
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("VmSpace") struct VmSpaceTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    private func pages(_ first: UInt64, _ count: UInt64) -> Range<VirtualAddress> {
      VirtualAddress(first << 12)..<VirtualAddress((first + count) << 12)
    }

    private func isMissing(_ frame: borrowing Frame<PlainMemory>?) -> Bool {
      switch frame {
      case .none: true
      case .some: false
      }
    }

    @Test func `a mapped frame is translated to and stays in use until it is unmapped`() throws {
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        let address = frame?.address ?? .zero
        do {
          var cursor = try space.cursor(over: pages(5, 1))
          try cursor.map(&frame, as: .userReadWrite)
        }
        let isMoved = isMissing(frame)
        #expect(isMoved)
        #expect(space.translate(VirtualAddress(0x5123))?.address == address + 0x123)
        #expect(throws: TesseraError.inUse) {
          _ = try Frame(claiming: address, metadata: PlainMemory())
        }
        do {
          var cursor = try space.cursor(over: pages(5, 1))
          #expect(try cursor.unmap(4096) == 4096)
        }
        #expect(space.translate(VirtualAddress(0x5123)) == nil)
        _ = try Frame(claiming: address, metadata: PlainMemory())
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `mapping over a mapping fails and leaves the frame with the caller`() throws {
      let space = try VmSpace()
      var first: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var second: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var cursor = try space.cursor(over: pages(5, 2))
      try cursor.map(&first, as: .userReadWrite)
      try cursor.jump(to: VirtualAddress(0x5000))
      #expect(throws: TesseraError.alreadyMapped(VirtualAddress(0x5000))) {
        try cursor.map(&second, as: .userReadWrite)
      }
      let isLost = isMissing(second)
      #expect(!isLost)
      #expect(cursor.address == VirtualAddress(0x5000))
    }

    @Test func `a fault goes to the handler set last, with its context`() throws {
      var space = try VmSpace()
      let fault = PageFault(at: VirtualAddress(0x5000), errorCode: 6)
      #expect(fault.isWrite && fault.isUser && !fault.isProtectionViolation)
      let isHandled = space.handle(fault)
      #expect(!isHandled)
      space.handleFaults(with: { _, _, _ in true })
      space.handleFaults(
        with: { address, code, context in
          address == 0x5000 && code == 6 && context == 42
        }, context: 42)
      let isHandledNow = space.handle(fault)
      #expect(isHandledNow)
      let isOther = space.handle(PageFault(at: VirtualAddress(0x6000), errorCode: 6))
      #expect(!isOther)
    }

    @Test func `a destroyed space frees everything it mapped`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        var segment: Segment<PlainMemory>? = try Segment(allocating: 40) { _ in PlainMemory() }
        var cursor = try space.cursor(over: pages(0x1f0, 40))
        try cursor.map(&segment, as: .userReadWrite)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `a space with a reused root maps nothing, and no translation is cached`() throws {
      _ = machine.mmu
      var root = PhysicalAddress.zero
      var memory = PhysicalAddress.zero
      do {
        let first = try VmSpace()
        root = first.rootAddress
        memory = try mapFrame(at: 0x5000, in: first)
        first.activate()
        #expect(try machine.mmu.translate(0x5000).physicalAddress == memory.rawValue)
        VmSpace.deactivate()
      }
      let second = try VmSpace()
      #expect(second.rootAddress == root, "the root freed last is reused first")
      #expect(second.translate(VirtualAddress(0x5000)) == nil)
      second.activate()
      machine.checkCoherent()
      machine.expectNoCachedRights(in: 0..<VmSpace.end.rawValue)
      let cursor = try second.cursor(over: VirtualAddress(0)..<VmSpace.end)
      #expect(try cursor.query().content == .absent)
      _ = consume cursor
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `a processor holds a reference to the root it runs on, and drops it on leaving`()
      throws
    {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 4)
      try machine.startKernelSpace()
      try machine.startProcessors()
      let space = try VmSpace()
      let counts = LockedCounts()
      machine.onEveryProcessor { number in
        if number == 3 { return }
        counts.meet(3)
        space.activate()
        space.activate()
        counts.meet(6)
        counts.add(Int(space.rootNode.slot.count), space.activeProcessorCount)
        counts.meet(9)
        VmSpace.deactivate()
      }
      #expect(counts.all == [4, 3, 4, 3, 4, 3], "one reference by the space, three by processors")
      #expect(space.rootNode.slot.count == 1)
      #expect(space.activeProcessorCount == 0)
      #expect(space.problems == [])
    }

    @Test func `a space destroyed while it is active is empty at once, and flushed`() throws {
      _ = machine.mmu
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        try mapSegment(30, at: 0x5000, in: space)
        try mapFrame(at: VmSpace.end.rawValue - 4096, in: space)
        try mapDevice(at: 1 << 30, 1 << 39, 1 << 30, in: space)
        try mark(1 << 40, 1 << 39, as: 3, in: space)
        space.activate()
        _ = try machine.mmu.read(UInt64.self, at: 0x5000)
      }
      NodePool.drain()
      // The root alone, which the processor runs on.
      #expect(FrameAllocator.statistics.usedFrameCount == used + 1)
      machine.checkCoherent()
      machine.expectNoCachedRights(in: 0..<VmSpace.end.rawValue)
      VmSpace.deactivate()
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [] && KernelSpace.problems == [])
    }

    @Test func `a processor that leaves a destroyed space with interrupts off frees nothing`()
      throws
    {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 2)
      try machine.startKernelSpace()
      try machine.startProcessors()
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      func destroyWhileActiveElsewhere() throws {
        let space = try VmSpace()
        try mapSegment(30, at: 0x5000, in: space)
        asProcessor(1) { space.activate() }
      }
      // Off, as on a context switch: the pages are released by the next change with interrupts on.
      try destroyWhileActiveElsewhere()
      try asProcessor(1) {
        let before = FrameAllocator.statistics.usedFrameCount
        let interrupts = Processor.disableInterrupts()
        VmSpace.deactivate()
        Processor.restoreInterrupts(interrupts)
        #expect(FrameAllocator.statistics.usedFrameCount == before && before > used + 30)
        do { _ = try VmSpace() }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
      // On: at once.
      try destroyWhileActiveElsewhere()
      asProcessor(1) {
        VmSpace.deactivate()
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
      #expect(machine.violations == [] && KernelSpace.problems == [])
    }

    @Test func `a processor that loaded CR3 itself holds the references that it activated`() throws
    {
      let kernel = unsafe PageTableNode(at: KernelSpace.rootAddress)
      let count = kernel.slot.count
      let space = try VmSpace()
      unsafe Processor.loadRootRegister(space.rootAddress.rawValue)
      #expect(
        KernelSpace.problems.count == 1, "the kernel's audit finds the root that is not recorded")
      space.activate()
      #expect(space.activeProcessorCount == 1 && space.rootNode.slot.count == 2)
      #expect(kernel.slot.count == count - 1)
      unsafe Processor.loadRootRegister(KernelSpace.rootAddress.rawValue)
      VmSpace.deactivate()
      #expect(space.activeProcessorCount == 0 && space.rootNode.slot.count == 1)
      #expect(kernel.slot.count == count)
      // Activating what is recorded loads CR3 if it has something else.
      unsafe Processor.loadRootRegister(space.rootAddress.rawValue)
      VmSpace.deactivate()
      #expect(Processor.rootAddress == KernelSpace.rootAddress && kernel.slot.count == count)
      #expect(space.problems == [] && KernelSpace.problems == [])
    }

    @Test func `the audit finds a processor whose root is no page-table node`() throws {
      let space = try VmSpace()
      space.activate()
      let slot = space.rootNode.slot
      let kind = slot.kind
      slot.setKind(.plain)
      let problem = "processor runs on a root that is no page-table node"
      #expect(KernelSpace.problems.contains { $0.contains(problem) })
      slot.setKind(kind)
      VmSpace.deactivate()
      #expect(KernelSpace.problems == [])
    }

    @Test func `the audit finds roots that are not active on the processors that run on them`()
      throws
    {
      let space = try VmSpace()
      space.activate()
      space.rootNode.setActive(false, on: 0)
      let problem = "root is not active on the processors that run on it"
      #expect(space.problems.contains { $0.contains(problem) })
      let other = "processor runs on a root that is not active on it"
      #expect(KernelSpace.problems.contains { $0.contains(other) })
      space.rootNode.setActive(true, on: 0)
      space.rootNode.setActive(true, on: 1)
      #expect(space.problems.contains { $0.contains(problem) })
      space.rootNode.setActive(false, on: 1)
      VmSpace.deactivate()
    }
  }
}

/// Numbers that several processors record, and barriers between them.
private final class LockedCounts: @unchecked Sendable {
  private let lock = NSLock()
  private var numbers: [Int] = []
  private var arrivals = 0

  var all: [Int] { lock.withLock { numbers } }

  func add(_ first: Int, _ second: Int) { lock.withLock { numbers += [first, second] } }

  /// Waits until there have been `count` arrivals.
  func meet(_ count: Int) {
    lock.withLock { arrivals += 1 }
    while lock.withLock({ arrivals }) < count { sched_yield() }
  }
}
