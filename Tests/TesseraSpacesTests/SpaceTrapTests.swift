import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Programming errors panic. Each test matches its panic text.
  @Suite("Traps of address spaces") struct SpaceTrapTests {
    @Test func `an operation on part of a page traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in try cursor.unmap(100) }
      }
      try expectPanic(
        in: result, "length is not a multiple of the page size")
    }

    @Test func `an operation on a page and one byte more traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in
          try cursor.protect(4097, to: .read)
        }
      }
      try expectPanic(
        in: result, "length is not a multiple of the page size")
    }

    @Test func `an operation beyond the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in try cursor.unmap(3 * 4096) }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `an operation whose end wraps around traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0x5000, 8192)) { cursor in
          try cursor.setStatus(.max - 4095, to: 1)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `a second cursor over the same table traps with one processor`()
      async throws
    {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.openTwoCursors(over: bytes(0, 4096))
      }
      try expectPanic(
        in: result,
        "a cursor was opened over a page table that another cursor of the only processor holds")
    }

    @Test func `mapping at the end of the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          try cursor.jump(to: VirtualAddress(4096))
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `a segment longer than the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var segment: Segment<PlainMemory>? = try Segment(allocating: 2) { _ in PlainMemory() }
          try cursor.map(&segment, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `a search beyond the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in _ = cursor.findNext(within: 8192)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `a large frame beyond the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var frame: Frame<PlainMemory>? = try Frame(
            allocating: PlainMemory(), FrameRequest(size: .twoMiB))
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `a large frame at an address that is not aligned traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(4096, 4 << 20)) { cursor in
          var frame: Frame<PlainMemory>? = try Frame(
            allocating: PlainMemory(), FrameRequest(size: .twoMiB))
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "address is not a multiple of the page size")
    }

    @Test func `mapping no frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var frame: Frame<PlainMemory>?
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "cursor was given no frame to map")
    }

    @Test func `replacing by no frame traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var frame: Frame<PlainMemory>?
          try cursor.replace(with: &frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "cursor was given no frame to map")
    }

    @Test func `mapping no segment traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var segment: Segment<PlainMemory>?
          try cursor.map(&segment, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "cursor was given no segment to map")
    }

    @Test func `mapping a kernel page in a space traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          try cursor.map(&frame, as: .kernelReadWrite)
        }
      }
      try expectPanic(
        in: result, "user page in the kernel's half, or kernel page in the user half")
    }

    @Test func `mapping a user page in the kernel virtual area traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { _ in
          var cursor = try KernelSpace.cursor(over: KernelSpace.area)
          var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "user page in the kernel's half, or kernel page in the user half")
    }

    @Test func `device memory that is not aligned traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          try unsafe cursor.mapDevice(
            PhysicalAddress(0x1008), byteCount: 4096, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "device memory is not page-aligned: 0x1008")
    }

    @Test func `device memory beyond the last address traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in
          try unsafe cursor.mapDevice(
            PhysicalAddress((1 << 52) - 4096), byteCount: 8192, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "device memory lies beyond what the processor can address: 0x")
    }

    @Test func `device memory whose end wraps around traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in
          try unsafe cursor.mapDevice(
            PhysicalAddress(4096), byteCount: .max - 4095, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "device memory lies beyond what the processor can address: 0x")
    }

    @Test func `copying from the kernel virtual area into a space traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var source = try KernelSpace.cursor(over: KernelSpace.area)
          try cursor.copy(from: &source, 4096)
        }
      }
      try expectPanic(
        in: result, "pages copied between the user half and the kernel's")
    }

    @Test func `copying beyond the source traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 8192)) { cursor in
          let other = try VmSpace()
          var source = try other.cursor(over: bytes(0, 4096))
          try cursor.copy(from: &source, 8192)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `copying beyond the target traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          let other = try VmSpace()
          var source = try other.cursor(over: bytes(0, 8192))
          try cursor.copy(from: &source, 8192)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `replacing by a large frame beyond the range traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { cursor in
          var frame: Frame<PlainMemory>? = try Frame(
            allocating: PlainMemory(), FrameRequest(size: .twoMiB))
          try cursor.replace(with: &frame, as: .userReadWrite)
        }
      }
      try expectPanic(
        in: result, "operation reaches beyond the range of its cursor")
    }

    @Test func `creating a space before the kernel space traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try VmSpace()
      }
      try expectPanic(
        in: result, "address space used before the kernel space is started")
    }

    @Test func `a kernel cursor before the start traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = try KernelSpace.cursor(over: KernelSpace.area)
      }
      try expectPanic(
        in: result, "address space used before the kernel space is started")
    }

    @Test func `a kernel translation before the start traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        _ = KernelSpace.translate(KernelSpace.area.lowerBound)
      }
      try expectPanic(
        in: result, "address space used before the kernel space is started")
    }

    @Test func `starting the kernel space twice traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneSpace.withCursor(over: bytes(0, 4096)) { _ in try KernelSpace.start() }
      }
      try expectPanic(in: result, "kernel virtual area is already mapped")
    }

    @Test func `starting on tables that map the kernel virtual area traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 64)
        let root = try FrameAllocator.allocate()
        let index = KernelSpace.area.lowerBound.index(at: PagingMode.current.rootLevel)
        let tables = unsafe RawPageTables(base: PhysicalMemory.directMapBase)
        tables.set(.table(at: PhysicalAddress(0x3000)), at: index, of: root)
        unsafe Processor.loadRootRegister(root.rawValue)
        try KernelSpace.start()
      }
      try expectPanic(
        in: result, "kernel virtual area is already mapped")
    }

    @Test func `an entry index beyond the node traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 8)
        try NodePool.allocate(level: .leafTable).withNode { _ = $0[512] }
      }
      try expectPanic(
        in: result, "page-table index is not below 512")
    }
  }
}

/// A space on a machine that exists until the process ends.
private enum OneSpace {
  static func withCursor(
    over range: Range<VirtualAddress>, _ body: (inout Cursor) throws -> Void
  ) throws {
    SimulatedMachine.permanent(frameCount: 1100)
    let root = try FrameAllocator.allocate()
    unsafe Processor.loadRootRegister(root.rawValue)
    try KernelSpace.start()
    let space = try VmSpace()
    var cursor = try space.cursor(over: range)
    try body(&cursor)
  }

  static func openTwoCursors(over range: Range<VirtualAddress>) throws {
    SimulatedMachine.permanent(frameCount: 1100)
    let root = try FrameAllocator.allocate()
    unsafe Processor.loadRootRegister(root.rawValue)
    try KernelSpace.start()
    let space = try VmSpace()
    let first = try space.cursor(over: range)
    let second = try space.cursor(over: range)
    print(first.address == second.address)
  }
}
