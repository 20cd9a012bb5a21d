import CTessera
import SimulatedMachine
import Tessera
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Translations that a processor keeps while it runs on another space.
  @Suite("Process contexts", .serialized) final class ProcessContextTests {
    private static let page: UInt64 = 1 << 30
    private let machine: SimulatedMachine

    init() throws {
      SimulatedMachine.setFeatures(hasContextIdentifiers: true)
      machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: 3)
      _ = machine.mmu
      try machine.startKernelSpace()
      try machine.startProcessors()
    }

    deinit { SimulatedMachine.setFeatures() }

    private func makeSpace() throws -> VmSpace {
      let space = try VmSpace()
      try mapFrame(at: Self.page, in: space)
      return space
    }

    /// Activates `space` on processor `number`, which reads its page. Returns whether the load of
    /// CR3 kept what was cached.
    @discardableResult
    private func use(_ space: borrowing VmSpace, on number: Int = 0) throws -> Bool {
      let before = machine.mmu.statistics.keepingRootLoads
      asProcessor(number) { space.activate() }
      _ = try machine.mmu.read(UInt64.self, at: Self.page, on: number)
      return machine.mmu.statistics.keepingRootLoads > before
    }

    private func unmap(_ space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(Self.page, 4096))
      try cursor.unmap(4096)
    }

    /// The identifier in CR3 of processor `number`.
    private func context(of number: Int) -> UInt64 {
      simulated_registers_of(UInt32(number)).pointee.cr3 & 0xfff
    }

    private func leaveAll() {
      for number in 0..<3 { asProcessor(number) { VmSpace.deactivate() } }
    }

    private func expectFault(on number: Int = 0) {
      #expect(throws: PageFault.self) {
        _ = try self.machine.mmu.read(UInt64.self, at: Self.page, on: number)
      }
    }

    @Test func `a space that has not changed is not flushed on the way back`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      #expect(try !use(first) && !use(second))
      #expect(try use(first) && use(second) && use(first))
      #expect(context(of: 0) == 1)
      leaveAll()
      #expect(context(of: 0) == 0)
      #expect(try use(second))
      leaveAll()
      machine.checkCoherent()
      #expect(machine.violations == [])
    }

    @Test func `a space that was changed meanwhile is flushed on the way back`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      try use(first)
      try use(second)
      try unmap(first)
      asProcessor(0) { first.activate() }
      expectFault()
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `the machine notices if it is not`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      try use(first)
      let register = simulated_registers_of(0).pointee.cr3
      try use(second)
      try unmap(first)
      simulated_write_register(simulated_cr3_write, register | 1 << 63)
      #expect(!machine.mmu.incoherences().isEmpty)
      _ = try machine.mmu.read(UInt64.self, at: Self.page)
      #expect(machine.mmu.statistics.staleAccesses == 1)
      simulated_write_register(simulated_cr3_write, second.rootAddress.rawValue)
      leaveAll()
    }

    @Test func `a space that another processor changed meanwhile is flushed on the way back`()
      throws
    {
      let first = try makeSpace()
      let second = try makeSpace()
      for number in 0..<3 { try use(first, on: number) }
      try use(second, on: 1)
      try asProcessor(2) { try unmap(first) }
      expectFault(on: 0)
      asProcessor(1) { first.activate() }
      expectFault(on: 1)
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `who has answered a request need not flush on the way back`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      try mapFrame(at: Self.page + 4096, in: first)
      try use(first, on: 0)
      try use(first, on: 1)
      for _ in 0..<3 {
        try asProcessor(1) {
          var cursor = try first.cursor(over: bytes(Self.page + 4096, 4096))
          try cursor.protect(4096, to: .read)
          try cursor.jump(to: VirtualAddress(Self.page + 4096))
          try cursor.protect(4096, to: .readWrite)
        }
        // The one that asked, and the one that answered.
        for number in 0..<2 {
          try use(second, on: number)
          #expect(try use(first, on: number))
        }
      }
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `no two roots have one version, whatever processors made them`() throws {
      let machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: 42)
      _ = machine.mmu
      try machine.startKernelSpace()
      try machine.startProcessors()
      var versions: Set<UInt64> = []
      for number in [1, 40, 41] {
        for _ in 0..<3 {
          try asProcessor(number) {
            let space = try VmSpace()
            versions.insert(space.rootNode.version)
          }
        }
      }
      #expect(versions.count == 9 && !versions.contains(0))
    }

    /// The first change is on its way to the second group when the second change is flushed there.
    @Test func `a processor that has flushed the second change alone flushes on the way back`()
      throws
    {
      let machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: 67)
      _ = machine.mmu
      try machine.startKernelSpace()
      try machine.startProcessors()
      let (first, second) = (SharedContexts(try VmSpace()), SharedContexts(try VmSpace()))
      for page in [1, 2, 3] as [UInt64] { try mapFrame(at: page << 30, in: first.space) }
      // So that no table becomes empty, which would flush everything.
      for page in [1, 3] as [UInt64] { try mapFrame(at: page << 30 + 4096, in: first.space) }
      for number in [1, 66] {
        asProcessor(number) { first.space.activate() }
        _ = try machine.mmu.read(UInt64.self, at: 1 << 30, on: number)
      }
      SharedContexts.onInterrupt = {
        asProcessor(1) { second.space.activate() }
        asProcessor(65) { first.unmap(3 << 30) }
        asProcessor(66) { second.space.activate() }
      }
      simulated_set_interrupt_handler {
        TLBShootdown.serve()
        let body = SharedContexts.onInterrupt
        SharedContexts.onInterrupt = nil
        body?()
      }
      first.unmap(1 << 30)
      #expect(SharedContexts.onInterrupt == nil, "it has come")
      asProcessor(66) { first.space.activate() }
      #expect(throws: PageFault.self) {
        _ = try machine.mmu.read(UInt64.self, at: 1 << 30, on: 66)
      }
      machine.checkCoherent()
      for number in [1, 66] { asProcessor(number) { VmSpace.deactivate() } }
      #expect(machine.violations == [])
    }

    @Test func `eight spaces are kept, and nine take turns`() throws {
      let spaces = try SpaceList(count: 9) { try self.makeSpace() }
      for index in 0..<8 { #expect(try !spaces.with(index) { try use($0) }) }
      for index in 0..<8 { #expect(try spaces.with(index) { try use($0) }) }
      for round in 0..<2 {
        for index in 0..<9 where round > 0 || index == 8 {
          #expect(try !spaces.with(index) { try use($0) })
        }
      }
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `the root of a destroyed space is flushed as that of a new one`() throws {
      var root: PhysicalAddress?
      do {
        let space = try makeSpace()
        root = space.rootAddress
        try use(space)
        leaveAll()
      }
      let space = try VmSpace()
      try #require(space.rootAddress == root, "the allocator gives the frame again")
      asProcessor(0) { space.activate() }
      expectFault()
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `nothing is kept once the kernel has loaded CR3 itself`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      try use(first)
      let register = simulated_registers_of(0).pointee.cr3
      try use(second)
      simulated_write_register(simulated_cr3_write, KernelSpace.rootAddress.rawValue)
      // Flushed under the identifier that the kernel has loaded alone.
      try unmap(second)
      #expect(try !use(first))
      asProcessor(0) { second.activate() }
      expectFault()
      // With the value that belonged to the first space, the identifier is used for another.
      simulated_write_register(simulated_cr3_write, register)
      leaveAll()
      #expect(try !use(first))
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `an active space that is loaded again is flushed`() throws {
      let space = try makeSpace()
      try use(space)
      let register = simulated_registers_of(0).pointee.cr3
      simulated_write_register(simulated_cr3_write, KernelSpace.rootAddress.rawValue)
      try unmap(space)
      asProcessor(0) { space.activate() }
      #expect(simulated_registers_of(0).pointee.cr3 == register)
      expectFault()
      machine.checkCoherent()
      leaveAll()
    }

    @Test func `kernel pages are flushed under all identifiers`() throws {
      let first = try makeSpace()
      let second = try makeSpace()
      try use(first)
      var frames: Segment<PlainMemory>? = try Segment(allocating: 64) { _ in PlainMemory() }
      let mapping = try KernelMapping(&frames)
      let address = mapping.address.rawValue
      for number in 0..<3 {
        _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor, on: number)
      }
      try use(second)
      _ = consume mapping
      #expect(throws: PageFault.self) {
        _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor)
      }
      try use(first)
      #expect(throws: PageFault.self) {
        _ = try machine.mmu.read(UInt64.self, at: address, as: .supervisor)
      }
      machine.checkCoherent()
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test func `a processor that stops uses no identifiers, and forgets what it kept`() throws {
      let space = try makeSpace()
      try use(space, on: 2)
      asProcessor(2) { ActiveSpace.stop() }
      #expect(context(of: 2) == 0)
      #expect(simulated_registers_of(2).pointee.cr4 >> 17 & 1 == 0)
      try asProcessor(2) {
        try ActiveSpace.claimProcessor()
        ActiveSpace.start()
      }
      #expect(simulated_registers_of(2).pointee.cr4 >> 17 & 1 == 1)
      #expect(try !use(space, on: 2))
      leaveAll()
      #expect(machine.violations == [])
    }

    @Test(arguments: [(false, true), (true, false), (true, true)] as [(Bool, Bool)])
    func `identifiers are used if the processor has them and the kernel allows them`(
      hasThem: Bool, isAllowed: Bool
    ) throws {
      SimulatedMachine.setFeatures(hasContextIdentifiers: hasThem)
      ProcessContexts.choose(ProcessorFeatures(), isAllowed: isAllowed)
      #expect(ProcessContexts.areUsed == (hasThem && isAllowed))
    }

    @Test(arguments: [false, true])
    func `everything is flushed at once where the processor can`(canInvalidate: Bool) throws {
      SimulatedMachine.setFeatures(
        hasContextIdentifiers: true, hasContextInvalidation: canInvalidate)
      let machine = SimulatedMachine(frameCount: 512, reserved: 1)
      _ = machine.mmu
      try machine.startKernelSpace()
      let before = machine.mmu.statistics.contextInvalidations
      Processor.invalidateAll(alsoGlobal: true)
      #expect(machine.mmu.statistics.contextInvalidations == before + (canInvalidate ? 1 : 0))
      Processor.invalidateAll(alsoGlobal: false)
      #expect(machine.mmu.statistics.contextInvalidations == before + (canInvalidate ? 1 : 0))
      #expect(machine.violations == [])
    }
  }
}

/// A space that an interrupt handler uses.
private final class SharedContexts: Sendable {
  /// What the next interrupt does. Access: single-threaded, by the test only.
  nonisolated(unsafe) static var onInterrupt: (() -> Void)?

  let space: VmSpace

  init(_ space: consuming VmSpace) { self.space = space }

  /// Unmaps the page at `address`.
  func unmap(_ address: UInt64) {
    do {
      try space.withCursor(over: bytes(address, 4096)) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
    } catch { Issue.record(error) }
  }
}

/// Spaces, which no array can hold.
private final class SpaceList {
  private let space: VmSpace
  private let next: SpaceList?

  init(count: Int, _ make: () throws -> VmSpace) throws {
    space = try make()
    next = count > 1 ? try SpaceList(count: count - 1, make) : nil
  }

  func with<Result>(_ index: Int, _ body: (borrowing VmSpace) throws -> Result) rethrows -> Result {
    guard index > 0, let next else { return try body(space) }
    return try next.with(index - 1, body)
  }
}
