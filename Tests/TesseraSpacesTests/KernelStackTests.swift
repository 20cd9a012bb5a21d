import CTessera
import SimulatedMachine
import Tessera
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Kernel stack") struct KernelStackTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    @Test func `a stack is zeroed, and the pages around it fault`() throws {
      let stack = try KernelStack(byteCount: 10_000)
      let bottom = stack.bottom.rawValue
      let top = stack.top.rawValue
      #expect(top - bottom == 3 * 4096 && top % 16 == 0)
      let mmu = machine.mmu
      for address in [bottom, top - 8] {
        #expect(try mmu.read(UInt64.self, at: address, as: .supervisor) == 0)
        try mmu.write(UInt64.max, at: address, as: .supervisor)
        #expect(try mmu.read(UInt64.self, at: address, as: .supervisor) == .max)
      }
      for address in [bottom - 8, bottom - 4096, top, top + 4088] {
        #expect(throws: (any Error).self) {
          try mmu.write(UInt64.max, at: address, as: .supervisor)
        }
      }
      for (address, expected) in [
        (bottom - 1, true), (bottom - 4096, true), (bottom - 4097, false), (bottom, false),
      ] {
        let isOverflow = stack.isOverflow(VirtualAddress(address))
        #expect(isOverflow == expected)
      }
      #expect(throws: (any Error).self) { try mmu.fetch(at: bottom, as: .supervisor) }
      #expect(machine.violations == [])
    }

    @Test func `a stack is freed with all its frames`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      for pageCount in [1, 4, 20] as [UInt64] {
        do {
          let stack = try KernelStack(byteCount: pageCount * 4096)
          let range = stack.range
          #expect(range.upperBound.byteCount(from: range.lowerBound) == pageCount * 4096)
        }
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
    }

    @Test func `without memory no stack is allocated, and nothing is lost`() throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      for byteCount in [300 << 12, 1 << 40, 512 << 30, .max - 5, .max, 0] as [UInt64] {
        #expect(throws: TesseraError.outOfFrames) { _ = try KernelStack(byteCount: byteCount) }
      }
      for ordinal in 1...10 {
        machine.failAllocation(ordinal)
        _ = try? KernelStack(byteCount: 5 * 4096)
        machine.failAllocation(0)
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
      }
      #expect(machine.violations == [])
    }

    @Test func `freeing the stack that the processor runs on traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 256)
        machine.stayPermanently()
        try machine.startKernelSpace()
        let stack = try KernelStack(byteCount: 4096)
        simulated_registers_of(0).pointee.stack_pointer = stack.top.rawValue
      }
      try expectPanic(in: result, "freed the stack that the processor runs on")
    }
  }
}
