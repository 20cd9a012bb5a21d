import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Processors that stop, and start again.
  @Suite("Stop of a processor") struct ProcessorStopTests {
    let machine: SimulatedMachine
    private let page: UInt64 = 0x5000

    init() throws {
      machine = SimulatedMachine(frameCount: 512, processorCount: 4)
      try machine.startKernelSpace()
      try machine.startProcessors()
    }

    private func stop(_ processor: Int) { asProcessor(processor) { ActiveSpace.stop() } }

    private static func start(_ processor: Int) throws {
      try asProcessor(processor) {
        try ActiveSpace.claimProcessor()
        ActiveSpace.start()
      }
    }

    /// Maps kernel memory, and unmaps it after all processors in `users` have read it. Returns the
    /// address, and how many processors were asked.
    private func useKernelMemory(on users: [Int]) throws -> (address: UInt64, requests: UInt64) {
      let before = FlushStatistics.requestCount
      var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let mapping = try KernelMapping(&frames)
      let address = mapping.address.rawValue
      for user in users {
        _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor, on: user)
      }
      _ = consume mapping
      return (address, FlushStatistics.requestCount - before)
    }

    @Test func `a stopped processor is not asked to flush until it has started again`() throws {
      // Keeps the tables, whose removal would be one more request.
      var others: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
      let other = try KernelMapping(&others)
      defer { _ = other.range }
      #expect(try useKernelMemory(on: [0, 1, 2, 3]).requests == 3)
      stop(2)
      machine.mmu.options.haltedProcessors = [2]
      #expect(try useKernelMemory(on: [0, 1, 3]).requests == 2)
      machine.checkCoherent()
      machine.mmu.options.haltedProcessors = []
      try Self.start(2)
      let (address, requests) = try useKernelMemory(on: [0, 1, 2, 3])
      #expect(requests == 3)
      machine.checkCoherent()
      #expect(throws: PageFault.self) {
        _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor, on: 2)
      }
      #expect(machine.violations == [])
    }

    @Test func `a processor that starts again has no translation from before`() throws {
      do {
        var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
        let mapping = try KernelMapping(&frames)
        _ = try machine.mmu.read(
          UInt64.self, at: mapping.address.rawValue, as: .supervisor, on: 2)
        stop(2)
        machine.mmu.options.haltedProcessors = [2]
      }
      machine.checkCoherent()
      machine.mmu.options.haltedProcessors = []
      #expect(!machine.mmu.incoherences(ignoringAccessed: true).isEmpty, "it has stale ones")
      try Self.start(2)
      machine.checkCoherent()
      #expect(machine.violations == [])
    }

    @Test func `a processor that stops leaves its space, and drops its references`() throws {
      let kernelCount = KernelSpace.root.slot.count
      let space = try VmSpace()
      let count = space.rootNode.slot.count
      asProcessor(3) { space.activate() }
      #expect(KernelSpace.root.slot.count == kernelCount - 1)
      #expect(space.rootNode.slot.count == count + 1)
      stop(3)
      #expect(space.activeProcessorCount == 0)
      #expect(simulated_registers_of(3).pointee.cr3 == KernelSpace.rootAddress.rawValue)
      #expect(KernelSpace.root.slot.count == kernelCount - 1)
      #expect(space.rootNode.slot.count == count)
      #expect(ActiveRoots.rootAddress(of: 3) == nil)
      asProcessor(3) { #expect(!ActiveSpace.isStartedHere) }
      try Self.start(3)
      #expect(KernelSpace.root.slot.count == kernelCount)
      #expect(machine.violations == [])
    }

    @Test func `a destroyed space is freed once its last processor has stopped`() throws {
      let free = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        try mapSegment(8, at: page, in: space)
        asProcessor(1) { space.activate() }
      }
      #expect(FrameAllocator.statistics.usedFrameCount >= free + 8)
      stop(1)
      _ = try VmSpace()
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount <= free)
    }

    @Test func `the number of a stopped processor can be claimed, and by one alone`() throws {
      stop(1)
      try Self.start(1)
      #expect(throws: BootError.processorNumberInUse) { try Self.start(1) }
      stop(1)
      try Self.start(1)
    }

    /// Unmaps the page of a space that is active on processor 3, whose interrupt does `handler`.
    /// Returns how many interrupts were sent.
    private static func unmapUsedPage(_ handler: @convention(c) () -> Void) throws -> UInt64 {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      // Keeps the tables, whose removal would be one more request.
      try mapFrame(at: 0x6000, in: space)
      asProcessor(3) { space.activate() }
      simulated_set_interrupt_handler(handler)
      TLBShootdown.setPatience(1000)
      let before = FlushStatistics.interruptCount
      try space.withCursor(over: bytes(0x5000, 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
      let interrupts = FlushStatistics.interruptCount - before
      simulated_set_interrupt_handler { TLBShootdown.serve() }
      if simulated_registers_of(3).pointee.cr3 == space.rootAddress.rawValue {
        asProcessor(3) { VmSpace.deactivate() }
      }
      return interrupts
    }

    /// A machine of its own, since the processors' patience is shortened.
    private static func startMachine() throws -> SimulatedMachine {
      let machine = SimulatedMachine(frameCount: 512, processorCount: 4)
      try machine.startKernelSpace()
      try machine.startProcessors()
      return machine
    }

    @Test func `a processor that stops instead of answering is not waited for`() async {
      await #expect(processExitsWith: .success) {
        let machine = try Self.startMachine()
        #expect(try Self.unmapUsedPage { ActiveSpace.stop() } == 1)
        try Self.start(3)
        #expect(try Self.unmapUsedPage { TLBShootdown.serve() } == 1)
        #expect(machine.violations == [])
      }
    }

    @Test func `a request to a processor that has stopped is not answered later`() async {
      await #expect(processExitsWith: .success) {
        let machine = try Self.startMachine()
        TLBShootdown.setPatience(1000)
        simulated_set_interrupt_handler {
          if Processor.current == 3 { ActiveSpace.stop() } else { TLBShootdown.serve() }
        }
        var frames: Segment<PlainMemory>? = try Segment(allocating: 1) { _ in PlainMemory() }
        _ = try KernelMapping(&frames)
        asProcessor(3) { #expect(!ActiveSpace.isStartedHere) }
        let flushes = FlushStatistics.flushCount + FlushStatistics.fullFlushCount
        try Self.start(3)
        #expect(FlushStatistics.flushCount + FlushStatistics.fullFlushCount == flushes)
        #expect(machine.violations == [])
      }
    }

    /// The test above sees a processor that is waited for.
    @Test func `a processor that neither stops nor answers is waited for`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = try Self.startMachine()
        _ = try Self.unmapUsedPage {}
        #expect(machine.violations == [])
      }
      try expectPanic(
        in: result, "a processor does not answer a request to flush its TLB; its number is: 0x3")
    }

    @Test func `a processor that has stopped and started answers what it was asked before`() async {
      await #expect(processExitsWith: .success) {
        let machine = try Self.startMachine()
        let interrupts = try Self.unmapUsedPage {
          // The interrupt is lost with the stop.
          ActiveSpace.stop()
          guard (try? ActiveSpace.claimProcessor()) != nil else { return }
          ActiveSpace.start()
        }
        #expect(interrupts == 1)
        #expect(try Self.unmapUsedPage { TLBShootdown.serve() } == 1)
        #expect(machine.violations == [])
      }
    }
  }
}
