import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  @Suite("Kernel stacks in C") struct KernelStackCAPITests {
    let machine: LoadedMachine

    init() throws { machine = try LoadedMachine.started() }

    private func isMapped(_ address: UInt64) -> Bool {
      var target: UInt64 = 0
      return Int(tessera_translate(tessera_kernel_space(), address, &target, nil)) == TESSERA_OK
    }

    @Test func `stacks have unmapped pages around them, and are freed whole`() {
      let free = machine.freeFrames
      var stacks: [tessera_kernel_stack] = []
      for length in [1, 4096, 4097, 0x4000] as [UInt64] {
        var stack = tessera_kernel_stack()
        expect(tessera_kernel_stack_allocate(length, &stack), TESSERA_OK)
        let bottom = UInt64(UInt(bitPattern: stack.bottom))
        let top = UInt64(UInt(bitPattern: stack.top))
        #expect(top - bottom == (length + 4095) & ~4095)
        #expect(isMapped(bottom) && isMapped(top - 1))
        stacks.append(stack)
      }
      for stack in stacks {
        let bottom = UInt64(UInt(bitPattern: stack.bottom))
        #expect(!isMapped(bottom - 1) && !isMapped(UInt64(UInt(bitPattern: stack.top))))
      }
      #expect(machine.violations == "")
      for var stack in stacks {
        expect(tessera_kernel_stack_free(&stack), TESSERA_OK)
        expect(tessera_kernel_stack_free(&stack), TESSERA_ERROR_NOT_MAPPED)
      }
      #expect(machine.freeFrames == free)
      #expect(machine.violations == "")
    }

    @Test func `invalid stacks are errors`() throws {
      var stack = tessera_kernel_stack()
      expect(tessera_kernel_stack_allocate(4096, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_kernel_stack_allocate(0, &stack), TESSERA_ERROR_EMPTY)
      expect(tessera_kernel_stack_allocate(64 << 20, &stack), TESSERA_ERROR_OUT_OF_FRAMES)
      expect(tessera_kernel_stack_allocate(.max, &stack), TESSERA_ERROR_OUT_OF_ADDRESSES)
      #expect(stack.bottom == nil && stack.top == nil)
      expect(tessera_kernel_stack_free(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_kernel_stack_free(&stack), TESSERA_ERROR_EMPTY)
      expect(tessera_kernel_stack_allocate(0x4000, &stack), TESSERA_OK)
      func expectError(_ expected: Int, _ bottom: Int, _ top: Int) {
        var wrong = tessera_kernel_stack(bottom: stack.bottom + bottom, top: stack.top + top)
        expect(tessera_kernel_stack_free(&wrong), expected)
      }
      expectError(TESSERA_ERROR_OUT_OF_BOUNDS, 0x5000, 0)
      expectError(TESSERA_ERROR_NOT_ALIGNED, 8, 0)
      expectError(TESSERA_ERROR_NOT_ALIGNED, 0, 8)
      expectError(TESSERA_ERROR_NOT_MAPPED, 0, 4096)
      expectError(TESSERA_ERROR_NOT_MAPPED, -4096, 0)
      let registers = simulated_registers_of(0)
      let pointer = registers.pointee.stack_pointer
      registers.pointee.stack_pointer = UInt64(UInt(bitPattern: stack.top)) - 64
      expect(tessera_kernel_stack_free(&stack), TESSERA_ERROR_IN_USE)
      registers.pointee.stack_pointer = pointer
      expect(tessera_kernel_stack_free(&stack), TESSERA_OK)
      #expect(machine.violations == "")
    }
  }
}
