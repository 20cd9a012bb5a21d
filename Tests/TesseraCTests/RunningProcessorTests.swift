import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// What the processor stands on while Tessera is started must still be there afterwards.
  @Suite("The processor at the start") struct RunningProcessorTests {
    let machine = LoadedMachine()
    private let registers = simulated_registers_of(0)
    /// The lowest address that the machine's kernel does not keep.
    private static let lost: UInt64 = 1 << 39
    private static let pageFaultGate: UInt64 = 14 * 16

    @Test func `code, stack or segments that are left behind are refused, each by its name`() {
      let sound = registers.pointee
      registers.pointee.instruction_pointer = Self.lost
      #expect(machine.start() == TESSERA_ERROR_CODE_IN_LOWER_HALF)
      registers.pointee = sound
      registers.pointee.stack_pointer = Self.lost
      #expect(machine.start() == TESSERA_ERROR_STACK_IN_LOWER_HALF)
      registers.pointee = sound
      registers.pointee.segments.base = 0x7fff_ffff_f000
      #expect(machine.start() == TESSERA_ERROR_GDT_IN_LOWER_HALF)
      registers.pointee = sound
      #expect(machine.start() == TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `what lies in the last entry of the root that is kept is no reason to refuse`() {
      registers.pointee.stack_pointer = Self.lost - 8
      registers.pointee.instruction_pointer = 0
      registers.pointee.segments.base = Self.lost - 4096
      registers.pointee.interrupts.base = 0xffff_8000_0000_0000
      #expect(machine.start() == TESSERA_OK)
    }

    /// Shows the machine's memory at an address that is not kept, and has the interrupts' table at
    /// its byte `offset`, with `kind` in the gate of page faults.
    private func useInterruptTable(at offset: UInt64, kind: UInt8, limit: UInt16 = 0xfff) {
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 1, of: LoadedMachine.tables[0])
      let word = offset + Self.pageFaultGate
      machine.setEntry(
        0x0000_0008_0000_0000 | UInt64(kind) << 40, at: Int(word % 4096 / 8), of: word & ~4095)
      registers.pointee.interrupts = hw_descriptor_table(
        base: Self.lost + LoadedMachine.window + offset, limit: limit)
    }

    @Test(arguments: [0x8e, 0x8f, 0xee] as [UInt8])
    func `a table of interrupts that is in use and left behind is refused`(kind: UInt8) {
      useInterruptTable(at: 0x30_0000, kind: kind)
      #expect(machine.start() == TESSERA_ERROR_IDT_IN_LOWER_HALF)
      // The gate may lie on the next page of the table.
      useInterruptTable(at: 0x30_1f80, kind: kind)
      #expect(machine.start() == TESSERA_ERROR_IDT_IN_LOWER_HALF)
      registers.pointee.interrupts.base = LoadedMachine.window + 0x30_1f80
      #expect(machine.start() == TESSERA_OK)
    }

    @Test(arguments: [0x00, 0x0e, 0xff, 0x9e, 0x85] as [UInt8])
    func `what a loader left there that is no table of interrupts is not looked at`(kind: UInt8) {
      useInterruptTable(at: 0x30_0000, kind: kind)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `a table that ends before the gate, or is not there, has none`() {
      useInterruptTable(at: 0x30_0000, kind: 0x8e, limit: 14 * 16 + 14)
      #expect(machine.start { $0.flags = 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test(arguments: [1 << 40, 1 << 46, 1 << 50, 1 << 63 - 1] as [UInt64])
    func `a table of interrupts where nothing is mapped has no gate`(base: UInt64) {
      registers.pointee.interrupts.base = base
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `the last processor that was counted works, and the one after it stops the kernel`()
      async throws
    {
      #expect(machine.start { $0.processor_count = 2 } == TESSERA_OK)
      simulated_current_processor().pointee.number = 1
      var frame: tessera_frame = 0
      expect(tessera_allocate(&frame), TESSERA_OK)
      expect(tessera_drop(frame), TESSERA_OK)
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = LoadedMachine()
        _ = machine.start { $0.processor_count = 2 }
        simulated_current_processor().pointee.number = 2
        var frame: tessera_frame = 0
        _ = tessera_allocate(&frame)
      }
      try expectPanic(
        in: result, "a processor has a higher number than the allocator was started with")
    }

    @Test func `a processor that was not counted does not run on a space`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = LoadedMachine()
        _ = machine.start { $0.processor_count = 2 }
        var space = tessera_space()
        _ = tessera_space_create(&space)
        simulated_current_processor().pointee.number = 1
        _ = tessera_space_activate(&space)
        _ = tessera_space_activate(tessera_kernel_space())
        print("up to here all was well")
        simulated_current_processor().pointee.number = 2
        _ = tessera_space_activate(&space)
      }
      try expectPanic(
        in: result, "processor number is not below the processor count")
    }
  }
}
