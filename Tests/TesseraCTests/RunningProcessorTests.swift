import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// The code, stack and tables that the processor uses must stay mapped after the start.
  @Suite("Processor state at the start") struct RunningProcessorTests {
    let machine = LoadedMachine()
    private let registers = simulated_registers_of(0)
    /// The lowest address that is unmapped by the start.
    private static let lost: UInt64 = 1 << 39
    private static let pageFaultGate: UInt64 = 14 * 16

    @Test func `code, stack or GDT in the lower half is an error of its own`() {
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

    @Test func `code, stack and tables may lie in the last kept entry of the root`() {
      registers.pointee.stack_pointer = Self.lost - 8
      registers.pointee.instruction_pointer = 0
      registers.pointee.segments.base = Self.lost - 4096
      registers.pointee.interrupts.base = 0xffff_8000_0000_0000
      #expect(machine.start() == TESSERA_OK)
    }

    /// Maps the machine's memory at an address that the start unmaps, and places the IDT there, at
    /// byte `offset`, with a page-fault gate of type `kind`.
    private func useInterruptTable(at offset: UInt64, kind: UInt8, limit: UInt16 = 0xfff) {
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 1, of: LoadedMachine.tables[0])
      let word = offset + Self.pageFaultGate
      machine.setEntry(
        0x0000_0008_0000_0000 | UInt64(kind) << 40, at: Int(word % 4096 / 8), of: word & ~4095)
      registers.pointee.interrupts = hw_descriptor_table(
        base: Self.lost + LoadedMachine.directMap + offset, limit: limit)
    }

    @Test(arguments: [0x8e, 0x8f, 0xee] as [UInt8])
    func `an IDT with a page-fault gate in the lower half is an error`(kind: UInt8) {
      useInterruptTable(at: 0x11_0000, kind: kind)
      #expect(machine.start() == TESSERA_ERROR_IDT_IN_LOWER_HALF)
      // The gate may lie on the next page of the table.
      useInterruptTable(at: 0x11_1f80, kind: kind)
      #expect(machine.start() == TESSERA_ERROR_IDT_IN_LOWER_HALF)
      registers.pointee.interrupts.base = LoadedMachine.directMap + 0x11_1f80
      #expect(machine.start() == TESSERA_OK)
    }

    @Test(arguments: [0x00, 0x0e, 0xff, 0x9e, 0x85] as [UInt8])
    func `an IDT of a loader without a valid gate is ignored`(kind: UInt8) {
      useInterruptTable(at: 0x30_0000, kind: kind)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `an IDT that ends before the page-fault gate is ignored`() {
      useInterruptTable(at: 0x30_0000, kind: 0x8e, limit: 14 * 16 + 14)
      #expect(machine.start { $0.flags = 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test(arguments: [1 << 40, 1 << 46, 1 << 50, 1 << 63 - 1] as [UInt64])
    func `an IDT at an unmapped address is ignored`(base: UInt64) {
      registers.pointee.interrupts.base = base
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `the last configured processor starts, and the one after it panics`()
      async throws
    {
      #expect(machine.start { $0.processor_count = 2 } == TESSERA_OK)
      asProcessor(1) {
        var frame: tessera_frame = 0
        expect(tessera_allocate(&frame), TESSERA_OK)
        expect(tessera_drop(frame), TESSERA_OK)
      }
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = LoadedMachine()
        _ = machine.start { $0.processor_count = 2 }
        var frame: tessera_frame = 0
        asProcessor(2) { tessera_allocate(&frame) }
      }
      try expectPanic(
        in: result, "a processor has a higher number than the allocator was started with")
    }

    @Test func `a processor beyond the configured count cannot activate a space`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = LoadedMachine()
        _ = machine.start { $0.processor_count = 2 }
        var space = tessera_space()
        _ = tessera_space_create(&space)
        asProcessor(1) {
          _ = tessera_start_processor()
          _ = tessera_space_activate(&space)
          _ = tessera_space_activate(tessera_kernel_space())
        }
        asProcessor(2) { tessera_space_activate(&space) }
      }
      try expectPanic(
        in: result, "processor number is not below the processor count")
    }
  }
}
