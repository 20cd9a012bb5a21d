import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import Testing

extension OnSimulatedMachine {
  /// `Boot.start` as called by a kernel in Swift, with the same checks as in C.
  @Suite("Boot.start") struct BootStartTests {
    let machine = LoadedMachine()
    private let registers = simulated_registers_of(0)
    /// The lowest address that the start unmaps for a kernel in the first entry of the root.
    private static let lost: UInt64 = 1 << 39
    /// An address below the last entry of the root.
    private static let high: UInt64 = 0xffff_ffff_8000_0000
    private static let memory = MemoryRegion(
      start: .zero, end: PhysicalAddress(LoadedMachine.byteCount), kind: .usable)
    private static let tables = MemoryRegion(
      start: PhysicalAddress(LoadedMachine.tables[0]),
      end: PhysicalAddress(LoadedMachine.tables[0] + 0x4000), kind: .bootInformation)
    private static let image =
      PhysicalAddress(
        LoadedMachine.image.lowerBound)..<PhysicalAddress(
        LoadedMachine.image.upperBound)

    /// Starts on `regions`, and returns the error, or nil if that succeeds.
    private func error(
      _ directMap: BootDirectMap, _ regions: [MemoryRegion] = [memory, tables],
      _ change: (inout BootConfiguration<MemoryRegionList>) -> Void = { _ in }
    ) -> BootError? {
      regions.withUnsafeBufferPointer { regions in
        var configuration = unsafe BootConfiguration(
          regions: MemoryRegionList(regions), kernelImage: Self.image, directMap: directMap)
        change(&configuration)
        do throws(TesseraError) {
          _ = try Boot.start(configuration)
          return nil
        } catch {
          guard case .boot(let reason) = error else { preconditionFailure("\(error)") }
          return reason
        }
      }
    }

    /// The machine's direct map, at low addresses that stay mapped.
    private func loader(
      base: UInt64 = LoadedMachine.directMap, end: PhysicalAddress = .limit,
      lowEnd: UInt64 = LoadedMachine.directMap + LoadedMachine.byteCount
    ) -> BootDirectMap {
      var directMap = LoaderDirectMap(base: base, end: end)
      directMap.kernelLowEnd = VirtualAddress(lowEnd)
      return .loader(directMap)
    }

    /// A request to build a direct map, for a kernel that runs below the last entry of the root.
    private func plan(
      at base: UInt64? = nil, end: UInt64 = LoadedMachine.byteCount
    ) -> BootDirectMap {
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 511, of: machine.root)
      registers.pointee.instruction_pointer = Self.high
      registers.pointee.stack_pointer = Self.high
      registers.pointee.segments.base = Self.high
      registers.pointee.interrupts.base = Self.high
      var plan = DirectMapPlan(
        loaderBase: LoadedMachine.directMap, loaderEnd: PhysicalAddress(end))
      plan.base = base
      return .build(plan)
    }

    @Test func `a start returns a report, and a second one fails`() throws {
      #expect(!Boot.isStarted && Boot.report == nil)
      #expect(error(loader()) == nil)
      let report = try #require(Boot.report)
      #expect(Boot.isStarted && report.directMap == nil)
      #expect(report.totals.total == LoadedMachine.byteCount / 4096)
      #expect(report.totals.kernel == 0x10 + 4)
      #expect(report.unreachableFrameCount == 0)
      #expect(error(loader()) == .alreadyStarted)
      #expect(machine.violations == "")
    }

    @Test func `no-execute pages, write protection and global pages are on afterwards`() {
      registers.pointee.cr0 &= ~(1 << 16)
      registers.pointee.cr4 &= ~(1 << 7)
      registers.pointee.efer &= ~(1 << 11)
      #expect(error(loader()) == nil)
      #expect(Processor.controlRegister0.contains(.writeProtect))
      #expect(Processor.controlRegister4.contains(.globalPages))
      #expect(Processor.extendedFeatures.contains(.noExecute))
    }

    @Test func `an invalid configuration fails`() {
      #expect(error(loader()) { $0.processorCount = 0 } == .invalidProcessorCount)
      #expect(error(loader()) { $0.processorCount = 513 } == .invalidProcessorCount)
      #expect(error(loader(base: LoadedMachine.directMap + 1)) == .invalidDirectMap)
      #expect(error(loader(lowEnd: 1 << 47 + 1)) == .invalidKernelLowEnd)
      let beyond = MemoryRegion(
        start: PhysicalAddress(1 << 40), end: PhysicalAddress(1 << 41), kind: .usable)
      #expect(error(loader(), [Self.memory, beyond]) == .memoryBeyondProcessor)
      #expect(error(loader()) == nil)
    }

    @Test func `memory that the direct map misses is an error`() {
      #expect(error(loader(lowEnd: 0)) == .memoryNotMapped)
      machine.setEntry(0, at: 3, of: LoadedMachine.tables[2])
      #expect(error(loader()) == .memoryNotMapped)
      // Another frame is mapped there.
      machine.setEntry(0x8000_0000_0020_0083, at: 3, of: LoadedMachine.tables[2])
      #expect(error(loader()) == .memoryNotMapped)
      #expect(error(loader(end: PhysicalAddress(6 << 20))) == nil)
      #expect(Boot.report?.unreachableFrameCount == 512)
    }

    @Test func `code, stack, GDT or IDT in the lower half is an error`() {
      let sound = registers.pointee
      registers.pointee.instruction_pointer = Self.lost
      #expect(error(loader()) == .codeNotKept)
      registers.pointee = sound
      registers.pointee.stack_pointer = Self.lost
      #expect(error(loader()) == .stackNotKept)
      registers.pointee = sound
      registers.pointee.segments.base = Self.lost
      #expect(error(loader()) == .segmentTableNotKept)
      registers.pointee = sound
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 1, of: machine.root)
      machine.setEntry(0x0000_8e00_0000_0000, at: 28, of: 0x30_0000)
      registers.pointee.interrupts = hw_descriptor_table(
        base: Self.lost + LoadedMachine.directMap + 0x30_0000, limit: 0xfff)
      #expect(error(loader()) == .interruptTableNotKept)
      registers.pointee = sound
      #expect(error(loader()) == nil)
    }

    @Test func `a mapping in the kernel virtual area is an error`() {
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 384, of: machine.root)
      #expect(error(loader()) == .kernelAreaMapped)
    }

    @Test func `too little memory is an error, and more memory starts`() {
      let small = MemoryRegion(
        start: PhysicalAddress(0x20_0000), end: PhysicalAddress(0x20_1000), kind: .usable)
      #expect(error(loader(), [small, Self.tables]) == .outOfFrames)
      #expect(!Boot.isStarted)
      #expect(error(loader()) == nil)
    }

    @Test func `a direct map at an invalid base fails`() {
      #expect(error(plan(at: 0x4000_0000)) == .invalidDirectMap)
      #expect(error(plan(at: 0xffff_9000_0020_0000)) == .invalidDirectMap)
      #expect(error(plan(at: 0xffff_ff80_0000_0000)) == .invalidDirectMap)
      #expect(error(plan(at: 0xffff_c000_0000_0000)) == .kernelAreaMapped)
      #expect(error(plan(at: 0xffff_c040_0000_0000)) == .kernelAreaMapped)
      #expect(error(plan()) { $0.externalAllocator = Self.none } == .externalAllocatorNotSupported)
    }

    @Test func `a direct map is not built where something stays mapped`() {
      func error(at base: UInt64?, lowEnd: UInt64 = 0) -> BootError? {
        guard case .build(var plan) = plan(at: base) else { return nil }
        plan.keepsUpperHalf = true
        plan.kernelLowEnd = VirtualAddress(lowEnd)
        return self.error(.build(plan))
      }
      let table = 0x3 | LoadedMachine.tables[1]
      machine.setEntry(table, at: 288, of: machine.root)
      #expect(error(at: 0xffff_9000_0000_0000) == .directMapInUse)
      #expect(error(at: 0xffff_9040_0000_0000) == .directMapInUse)
      #expect(error(at: 0xffff_ff80_0000_0000) == .invalidDirectMap)
      #expect(error(at: 0xffff_c000_0000_0000) == .kernelAreaMapped)
      #expect(error(at: nil, lowEnd: 1 << 47) == .invalidKernelLowEnd)
      for index in 288..<512 where index != 384 {
        machine.setEntry(table, at: index, of: machine.root)
      }
      #expect(error(at: nil) == .directMapInUse)
      #expect(!Boot.isStarted)
    }

    private static let none = unsafe ExternalAllocator(
      allocateFrames: { _, _, _, _ in 0 }, freeFrames: { _, _, _ in })

    @Test func `a direct map is not built on tables that do not map the loader's memory`() {
      machine.setEntry(0, at: 3, of: LoadedMachine.tables[2])
      #expect(error(plan()) == .memoryNotMapped)
      machine.setEntry(0x8000_0000_0060_0083, at: 3, of: LoadedMachine.tables[2])
      let directMap = plan()
      machine.setEntry(0, at: 511, of: machine.root)
      #expect(error(directMap) == .imageNotMapped)
    }

    @Test func `a direct map is not built for a kernel outside the last entry of the root`() {
      let directMap = plan()
      let sound = registers.pointee
      registers.pointee.instruction_pointer = 0xffff_8000_0000_0000
      #expect(error(directMap) == .codeNotKept)
      registers.pointee = sound
      registers.pointee.stack_pointer = Self.lost - 8
      #expect(error(directMap) == .stackNotKept)
      registers.pointee = sound
      registers.pointee.segments.base = 0
      #expect(error(directMap) == .segmentTableNotKept)
    }

    @Test func `a direct map without room for its tables leaves everything as it was`() {
      // The loader has mapped no usable memory that a table could lie in.
      let root = Processor.rootRegister
      let base = PhysicalMemory.directMapBase
      #expect(error(plan(end: 0x10_4000)) == .noRoomForTables)
      #expect(Processor.rootRegister == root && PhysicalMemory.directMapBase == base)
      #expect(!Boot.isStarted)
      #expect(error(loader(lowEnd: 1 << 39)) == nil)
    }

    @Test func `a further processor before the start traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try Boot.startProcessor()
      }
      try expectPanic(in: result, "a further processor was started before Tessera")
    }

    @Test func `every error has its own message`() {
      let errors: [BootError] = [
        .alreadyStarted, .processorWithoutNoExecute, .invalidProcessorCount, .invalidDirectMap,
        .invalidKernelLowEnd, .externalAllocatorNotSupported, .noMemory, .memoryBeyondProcessor,
        .memoryNotMapped, .imageNotMapped, .codeNotKept, .stackNotKept, .segmentTableNotKept,
        .interruptTableNotKept, .kernelAreaMapped, .outOfFrames, .pageTableNotMapped(.zero),
        .pageTableAtTwoLevels(.zero), .inUsableMemory(.zero, .code), .inUsableMemory(.zero, .stack),
        .inUsableMemory(.zero, .variables), .inUsableMemory(.zero, .segmentTable),
        .inUsableMemory(.zero, .interruptTable), .inUsableMemory(.zero, .taskState),
        .processorNumberOutOfBounds,
        .processorNumberInUse, .differentPagingLevels, .processorWithoutOneGiBPages,
        .narrowerPhysicalAddresses, .differentMemoryTypes,
        .inUsableMemory(.zero, .pageTable), .noRoomForMetadata, .noRoomForTables,
        .directMapInUse, .invalidText, .textNotMapped(VirtualAddress(0)), .codeOutsideText,
        .codeNotExecutable,
        .handlerOutsideText, .inReadOnlyMemory(.stack), .inReadOnlyMemory(.variables),
        .inReadOnlyMemory(.segmentTable), .inReadOnlyMemory(.pageTable), .pageTableShared(.zero),
        .pageZeroNotInDirectMap, .inPageZero(.code), .inPageZero(.variables), .inPageZero(.stack),
        .inPageZero(.segmentTable), .inPageZero(.interruptTable), .inPageZero(.taskState),
        .inPageZero(.pageTable),
      ]
      #expect(Set(errors.map { "\($0.description)" }).count == errors.count)
    }
  }
}
