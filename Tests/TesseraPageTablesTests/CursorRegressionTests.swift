import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Regression tests for fixed bugs of the cursor.
  @Suite("Cursor regressions") struct CursorRegressionTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 256)
      try machine.startKernelSpace()
    }

    private let device = PhysicalAddress(0x10_0000_0000)
    private let property = PageProperty.userReadWrite

    private func range(_ start: UInt64, _ byteCount: UInt64) -> Range<VirtualAddress> {
      VirtualAddress(start)..<VirtualAddress(start + byteCount)
    }

    /// Creates the leaf table for `address` by setting a status.
    private func makeTable(at address: UInt64, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: range(address, 4096))
      try cursor.setStatus(4096, to: 7)
    }

    @Test func `a large page does not overwrite an existing table`() throws {
      let space = try VmSpace()
      try makeTable(at: 0x20_5000, in: space)
      do {
        var cursor = try space.cursor(over: range(0x20_0000, 0x40_0000))
        try unsafe cursor.mapDevice(device, byteCount: 0x40_0000, as: property)
      }
      #expect(space.problems == [])
      for offset in [0, 0x5123, 0x1f_ffff, 0x20_0000, 0x3f_ffff] as [UInt64] {
        let mapped = space.translate(VirtualAddress(0x20_0000 + offset))
        #expect(mapped?.address == device + offset)
      }
    }

    @Test func `a cursor that covers only a leaf table maps small pages`() throws {
      let space = try VmSpace()
      try makeTable(at: 0x20_5000, in: space)
      do {
        var cursor = try space.cursor(over: range(0x20_0000, 0x20_0000))
        try unsafe cursor.mapDevice(device, byteCount: 0x20_0000, as: property)
      }
      #expect(space.problems == [])
      #expect(space.translate(VirtualAddress(0x3f_f000))?.address == device + 0x1f_f000)
    }

    @Test func `a large page is copied to a misaligned address`() throws {
      let first = try VmSpace()
      let second = try VmSpace()
      do {
        var source = try first.cursor(over: range(0x20_0000, 0x20_0000))
        try unsafe source.mapDevice(device, byteCount: 0x20_0000, as: property)
        try source.jump(to: VirtualAddress(0x20_0000))
        var cursor = try second.cursor(over: range(0x40_3000, 0x20_0000))
        try cursor.copy(from: &source, 0x20_0000)
      }
      #expect(first.problems == [])
      #expect(second.problems == [])
      #expect(second.translate(VirtualAddress(0x40_2fff)) == nil)
      #expect(second.translate(VirtualAddress(0x40_3000))?.address == device)
      #expect(second.translate(VirtualAddress(0x60_2fff))?.address == device + 0x1f_ffff)
      #expect(second.translate(VirtualAddress(0x60_3000)) == nil)
    }

    @Test func `statuses above the leaf tables are copied`() throws {
      let first = try VmSpace()
      let second = try VmSpace()
      do {
        var source = try first.cursor(over: range(0, 1 << 40))
        try source.setStatus(1 << 40, to: 0x1234_5678)
        try source.jump(to: VirtualAddress(0x1000))
        var cursor = try second.cursor(over: range(0x1000, 1 << 39))
        try cursor.copy(from: &source, 1 << 39)
        try cursor.jump(to: VirtualAddress(1 << 38))
        #expect(try cursor.query().content == .status(0x1234_5678))
        try cursor.jump(to: VirtualAddress(1 << 39))
        #expect(try cursor.query().content == .status(0x1234_5678))
      }
      #expect(second.problems == [])
    }

    @Test func `copying a whole address space allocates only the nodes in use`() throws {
      let first = try VmSpace()
      let second = try VmSpace()
      let all = VirtualAddress(0)..<VmSpace.end
      let byteCount = VmSpace.end.rawValue
      var source = try first.cursor(over: all)
      for address in [0x5000, 0x7fff_f000, 0x7fff_ffff_0000] as [UInt64] {
        var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
        try source.jump(to: VirtualAddress(address))
        try source.map(&frame, as: .userReadWrite)
      }
      try source.jump(to: VirtualAddress(0))
      var cursor = try second.cursor(over: all)
      let used = FrameAllocator.statistics.usedFrameCount
      try cursor.copy(from: &source, byteCount)
      #expect(FrameAllocator.statistics.usedFrameCount <= used + 9)
      #expect(second.translate(VirtualAddress(0x7fff_f000))?.property.access == .read)
    }

    @Test func `a failed copy does not split its source`() throws {
      let first = try VmSpace()
      let second = try VmSpace()
      try makeTable(at: 0x60_0000, in: second)
      var source = try first.cursor(over: range(0x20_0000, 0x20_0000))
      try unsafe source.mapDevice(device, byteCount: 0x20_0000, as: property)
      try source.jump(to: VirtualAddress(0x20_1000))
      var cursor = try second.cursor(over: range(0x60_0000, 0x2000))
      #expect(throws: TesseraError.alreadyMapped(VirtualAddress(0x60_0000))) {
        try cursor.copy(from: &source, 0x2000)
      }
      #expect(try source.query().byteCount == 0x20_0000)
    }

    @Test func `a large device allocates only the nodes at its ends`() throws {
      let space = try VmSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      var cursor = try space.cursor(over: range(1 << 30, 400 << 30))
      try unsafe cursor.mapDevice(device, byteCount: 400 << 30, as: property)
      #expect(FrameAllocator.statistics.usedFrameCount <= used + 1)
    }

    @Test func `mapping no bytes of a device does nothing`() throws {
      let space = try VmSpace()
      do {
        var cursor = try space.cursor(over: range(0, 4096))
        try unsafe cursor.mapDevice(device, byteCount: 0, as: property)
        #expect(cursor.address == VirtualAddress(0))
      }
      #expect(space.problems == [])
    }

    @Test func `empty ancestors of a removed table are removed`() throws {
      NodePool.drain()
      let space = try VmSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        var cursor = try space.cursor(over: range(0, 1 << 40))
        try cursor.jump(to: VirtualAddress(0x20_0000))
        try cursor.setStatus(0x20_0000 - 4096, to: 1)
        try cursor.jump(to: VirtualAddress(0x20_0000))
        _ = try cursor.unmap(0x20_0000)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
    }

    @Test func `the root of a space dropped while active is reused empty`() throws {
      do {
        let space = try VmSpace()
        space.activate()
      }
      VmSpace.deactivate()
      let other = try VmSpace()
      do {
        var cursor = try other.cursor(over: range(0x10_0000, 0x20_0000))
        let isFound = cursor.findNext(within: 0x20_0000)
        #expect(!isFound)
        try cursor.jump(to: VirtualAddress(0x10_0000))
        try cursor.setStatus(4096, to: 1)
      }
      #expect(other.problems == [])
    }

    @Test func `a non-canonical address translates to nil`() throws {
      let space = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      do {
        var cursor = try space.cursor(over: range(0x5000, 4096))
        try cursor.map(&frame, as: .userReadWrite)
      }
      #expect(space.translate(VirtualAddress(0x5000)) != nil)
      for bit in 47..<64 as Range<UInt64> {
        #expect(space.translate(VirtualAddress(0x5000 | 1 << bit)) == nil)
      }
    }

    private func largeFrame() throws -> Frame<PlainMemory> {
      try Frame(allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
    }

    @Test(arguments: [0x20_0000, 0x60_0000] as [UInt64])
    func `a large frame is split into an existing leaf table`(byteCount: UInt64) throws {
      let machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      do {
        let space = try VmSpace()
        try makeTable(at: 0x20_5000, in: space)
        var frame: Frame<PlainMemory>? = try largeFrame()
        let memory = frame?.address ?? .zero
        do {
          var cursor = try space.cursor(over: range(0x20_0000, byteCount))
          try cursor.map(&frame, as: .userReadWrite)
          #expect(cursor.address == VirtualAddress(0x40_0000))
        }
        let isMapped = isGone(frame)
        #expect(isMapped)
        #expect(space.problems == [])
        #expect(space.translate(VirtualAddress(0x3f_f123))?.address == memory + 0x1f_f123)
        #expect(FrameTable.slot(number: memory.frameNumber).count == 512)
      }
      #expect(machine.violations == [])
    }

    @Test(arguments: [0x20_0000, 0x60_0000] as [UInt64])
    func `a large frame replaces small pages`(byteCount: UInt64) throws {
      let machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        var segment: Segment<PlainMemory>? = try Segment(allocating: 512) { _ in PlainMemory() }
        var frame: Frame<PlainMemory>? = try largeFrame()
        let memory = frame?.address ?? .zero
        do {
          var cursor = try space.cursor(over: range(0x20_0000, 0x20_0000))
          try cursor.map(&segment, as: .userRead)
        }
        do {
          var cursor = try space.cursor(over: range(0x20_0000, byteCount))
          try cursor.replace(with: &frame, as: .userReadWrite)
        }
        #expect(space.problems == [])
        #expect(space.translate(VirtualAddress(0x3f_f123))?.address == memory + 0x1f_f123)
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used + 512 + 3, "and three tables")
      }
      #expect(machine.violations == [])
    }

    @Test func `a large frame does not replace a partly mapped range`() throws {
      let machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      do {
        let space = try VmSpace()
        try mapFrame(at: 0x20_0000, in: space)
        var frame: Frame<PlainMemory>? = try largeFrame()
        var cursor = try space.cursor(over: range(0x20_0000, 0x20_0000))
        #expect(throws: TesseraError.notMapped(VirtualAddress(0x20_1000))) {
          try cursor.replace(with: &frame, as: .userReadWrite)
        }
        let isLost = isGone(frame)
        #expect(!isLost)
      }
      #expect(machine.violations == [])
    }

    @Test func `mapping no frames allocates none`() throws {
      let space = try VmSpace()
      do {
        var cursor = try space.cursor(over: range(0x5000, 4096))
        try cursor.map(pageCount: 0, as: .userReadWrite) { () -> Frame<PlainMemory> in
          fatalError("no frame is expected")
        }
      }
      #expect(space.problems == [])
    }
  }
}
