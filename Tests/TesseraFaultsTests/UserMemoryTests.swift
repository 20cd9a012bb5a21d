import CTessera
import Scenarios
import SimulatedMachine
import Tessera
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Every copy goes through the simulated MMU.
  @Suite("User memory") struct UserMemoryTests {
    let machine: SimulatedMachine

    init() throws {
      // Frame 0 is not a node: CR3 of the second processor holds zero until it activates a space.
      machine = SimulatedMachine(frameCount: 2048, reserved: 1, processorCount: 2)
      try machine.startKernelSpace()
      machine.mmu.options.setsAccessedAndDirty = true
    }

    /// Writes 1, 2, 3 … to the bytes of `range` in user mode.
    private func number(_ range: Range<UInt64>) throws {
      for (index, address) in range.enumerated() {
        try machine.mmu.write(UInt8(truncatingIfNeeded: index + 1), at: address)
      }
    }

    private func numbers(_ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: $0 + 1) }
    }

    private func isAccessed(_ address: UInt64, in space: borrowing VmSpace) -> Bool? {
      space.translate(VirtualAddress(address))?.property.isAccessed
    }

    /// Runs `body` with an active space, and checks that nothing leaks.
    private func inSpace(_ body: (borrowing VmSpace) throws -> Void) throws {
      NodePool.drain()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        space.activate()
        defer { VmSpace.deactivate() }
        try body(space)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    @Test func `a reader reads what the program wrote, across pages`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x6000, in: space)
        try number(0x5ff0..<0x6010)
        let reader = try space.reader(of: bytes(0x5000, 0x2000))
        let (done, found) = reader.bytes(32, at: 0xff0)
        #expect(done == 32)
        #expect(found == numbers(32))
        let (start, byteCount) = (reader.address, reader.byteCount)
        #expect(start == VirtualAddress(0x5000) && byteCount == 0x2000)
        #expect(machine.mmu.statistics.userBytesCopied == 32)
      }
    }

    @Test func `the program reads what a writer wrote, in pages that are then dirty`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x6000, in: space)
        let writer = try space.writer(of: bytes(0x5ff0, 32))
        let done = writer.write(numbers(32))
        #expect(done == 32)
        for index in 0..<32 as Range<UInt64> {
          #expect(try machine.mmu.read(UInt8.self, at: 0x5ff0 + index) == UInt8(index + 1))
        }
        #expect(space.translate(VirtualAddress(0x5000))?.property.isDirty == true)
        #expect(space.translate(VirtualAddress(0x6000))?.property.isDirty == true)
      }
    }

    @Test func `a copy ends at the first unmapped byte, and accesses nothing after it`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        let behind = try mapFrame(at: 0x7000, in: space)
        try number(0x5f00..<0x6000)
        let before = unsafe PhysicalMemory.loadWord(from: PhysicalMemory.pointer(to: behind))
        let reader = try space.reader(of: bytes(0x5f00, 0x2000))
        let (done, found) = reader.bytes(0x2000)
        #expect(done == 0x100)
        #expect(found == numbers(0x100) + [UInt8](repeating: 0xee, count: 0x1f00))
        let writer = try space.writer(of: bytes(0x5f00, 0x2000))
        let written = writer.write([UInt8](repeating: 7, count: 0x2000))
        #expect(written == 0x100)
        #expect(try machine.mmu.read(UInt8.self, at: 0x5fff) == 7)
        #expect(isAccessed(0x7000, in: space) == false)
        let after = unsafe PhysicalMemory.loadWord(from: PhysicalMemory.pointer(to: behind))
        #expect(after == before)
        let (none, _) = reader.bytes(1, at: 0x100)
        #expect(none == 0)
        let (rest, _) = reader.bytes(1, at: 0x1100)
        #expect(rest == 1)
      }
    }

    @Test func `a read-only page is read and never written`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x6000, in: space, as: .userRead)
        try mapFrame(at: 0x7000, in: space, as: .userReadExecute)
        let reader = try space.reader(of: bytes(0x5000, 0x3000))
        let (done, _) = reader.bytes(0x3000)
        #expect(done == 0x3000)
        let writer = try space.writer(of: bytes(0x5000, 0x3000))
        let written = writer.write([UInt8](repeating: 7, count: 0x3000))
        #expect(written == 0x1000)
        let executable = writer.write([7], at: 0x2000)
        #expect(executable == 0)
        #expect(try machine.mmu.read(UInt64.self, at: 0x6000) == 0)
      }
    }

    @Test func `a page without access, or with only a status, is not accessed`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mark(0x6000, 4096, as: 1, in: space)
        do {
          var cursor = try space.cursor(over: bytes(0x5000, 4096))
          try cursor.protect(4096, to: .none)
        }
        let reader = try space.reader(of: bytes(0x5000, 0x2000))
        let writer = try space.writer(of: bytes(0x5000, 0x2000))
        for offset in [0, 0x1000] as [UInt64] {
          let (done, _) = reader.bytes(8, at: offset)
          let written = writer.write([7], at: offset)
          #expect(done == 0 && written == 0)
        }
        #expect(machine.mmu.statistics.userBytesCopied == 0)
      }
    }

    @Test func `a copy spans pages of two sizes`() throws {
      try inSpace { space in
        let large = PageSize.twoMiB.byteCount
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        do {
          var cursor = try space.cursor(over: bytes(large, large))
          try cursor.map(&frame, as: .userReadWrite)
        }
        try mapFrame(at: large - 4096, in: space)
        try mapFrame(at: 2 * large, in: space)
        let count = Int(large) + 200
        let content = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 9) }
        let writer = try space.writer(of: bytes(large - 100, UInt64(count)))
        let written = writer.write(content)
        #expect(written == count)
        let reader = try space.reader(of: bytes(large - 100, large + 8192))
        let (done, found) = reader.bytes(count)
        #expect(done == count && found == content)
        let (rest, _) = reader.bytes(8000, at: large)
        #expect(rest == 4196)
        #expect(try machine.mmu.read(UInt8.self, at: 2 * large + 99) == content[count - 1])
      }
    }

    @Test func `the last user byte is accessible, and none after it`() throws {
      try inSpace { space in
        let end = VmSpace.end
        let last = end.rawValue - 1
        try mapFrame(at: end.rawValue - 4096, in: space)
        let writer = try space.writer(at: VirtualAddress(last), byteCount: 1)
        let written = writer.write([42])
        #expect(written == 1)
        let reader = try space.reader(at: VirtualAddress(last), byteCount: 1)
        let found = reader.load(UInt8.self)
        #expect(found == 42)
        expectError(.outOfBounds, in: space, last, 2)
        expectError(.outOfBounds, in: space, end.rawValue, 1)
        expectError(.outOfBounds, in: space, end.rawValue + 1, 0)
        expectError(.outOfBounds, in: space, 0, end.rawValue + 1)
        _ = try space.reader(at: end, byteCount: 0)
        _ = try space.reader(at: VirtualAddress(0), byteCount: end.rawValue)
      }
    }

    @Test func `bytes that wrap around or are the kernel's are out of bounds`() throws {
      try inSpace { space in
        expectError(.outOfBounds, in: space, .max - 10, 20)
        expectError(.outOfBounds, in: space, 0x5000, .max)
        expectError(.outOfBounds, in: space, 0x5000, .max - 0x4fff)
        expectError(.outOfBounds, in: space, .max, 0)
        expectError(.outOfBounds, in: space, KernelSpace.area.lowerBound.rawValue, 8)
        let kernel = KernelSpace.area
        #expect(throws: TesseraError.outOfBounds) { _ = try space.reader(of: kernel) }
        #expect(throws: TesseraError.outOfBounds) { _ = try space.writer(of: kernel) }
      }
    }

    @Test func `zero bytes can be read and written anywhere`() throws {
      try inSpace { space in
        let reader = try space.reader(at: VirtualAddress(0x5123), byteCount: 0)
        let writer = try space.writer(at: VirtualAddress(0x5123), byteCount: 0)
        let (done, _) = reader.bytes(0)
        let written = writer.write([])
        #expect(done == 0 && written == 0)
      }
    }

    @Test func `a space must be active on the calling processor`() throws {
      let space = try VmSpace()
      let other = try VmSpace()
      try machine.startProcessors()
      expectError(.notActive, in: space, 0x5000, 8)
      other.activate()
      expectError(.notActive, in: space, 0x5000, 8)
      try asProcessor(1) {
        space.activate()
        _ = try space.reader(at: VirtualAddress(0x5000), byteCount: 8)
      }
      expectError(.notActive, in: space, 0x5000, 8)
      space.activate()
      _ = try space.writer(at: VirtualAddress(0x5000), byteCount: 8)
      VmSpace.deactivate()
      expectError(.notActive, in: space, 0x5000, 8)
      asProcessor(1) { VmSpace.deactivate() }
    }

    @Test func `integers of each width are loaded and stored, aligned or not`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x6000, in: space)
        let writer = try space.writer(of: bytes(0x5000, 0x2000))
        let reader = try space.reader(of: bytes(0x5000, 0x2000))
        for offset in [0, 8, 0xff9, 0xffd, 0xfff, 0x1ff8] as [UInt64] {
          let stored = writer.store(0x1122_3344_5566_7788 as UInt64, at: offset)
          #expect(stored)
          let eight = reader.load(UInt64.self, at: offset)
          #expect(eight == 0x1122_3344_5566_7788)
          let (four, two, one) = (
            reader.load(UInt32.self, at: offset), reader.load(UInt16.self, at: offset),
            reader.load(UInt8.self, at: offset)
          )
          #expect(four == 0x5566_7788 && two == 0x7788 && one == 0x88)
          #expect(try machine.mmu.read(UInt64.self, at: 0x5000 + offset) == eight)
          let areStored = (
            writer.store(0xaabb_ccdd as UInt32, at: offset),
            writer.store(0x0102 as UInt16, at: offset + 2), writer.store(0xff as UInt8, at: offset)
          )
          #expect(areStored.0 && areStored.1 && areStored.2)
          let mixed = reader.load(UInt64.self, at: offset)
          #expect(mixed == 0x1122_3344_0102_ccff)
        }
      }
    }

    @Test func `an integer that is partly inaccessible is not loaded, and no part is stored`()
      throws
    {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try mapFrame(at: 0x6000, in: space, as: .userRead)
        let writer = try space.writer(of: bytes(0x5000, 0x3000))
        let reader = try space.reader(of: bytes(0x5000, 0x3000))
        for offset in 0xff9...0xfff as ClosedRange<UInt64> {
          let isStored = writer.store(UInt64.max, at: offset)
          #expect(!isStored)
          let before = reader.load(UInt64.self, at: offset)
          #expect(before == 0)
          let beyond = reader.load(UInt64.self, at: 0x1000 + offset)
          #expect(beyond == nil)
        }
        #expect(space.translate(VirtualAddress(0x5000))?.property.isDirty == false)
      }
    }

    @Test func `user access is disabled again after each copy`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        let reader = try space.reader(of: bytes(0x5000, 4096))
        let value = reader.load(UInt64.self)
        #expect(value == 0)
        #expect(!simulated_current_processor().pointee.user_access_allowed)
        unsafe Processor.loadControlRegister4(
          Processor.controlRegister4.subtracting(.supervisorAccessPrevention))
        let without = reader.load(UInt64.self)
        #expect(without == 0)
        unsafe Processor.loadControlRegister4(
          Processor.controlRegister4.union(.supervisorAccessPrevention))
      }
    }

    @Test func `a copy without user access, or of an unmapped page, ends at once`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        var buffer = [UInt8](repeating: 0, count: 64)
        let without = hw_copy_from_user(&buffer, 0x5000, 64)
        #expect(without == 0)
        let beyond = unsafe Processor.copy(fromUser: 0x5fe0, to: &buffer, byteCount: 64)
        #expect(beyond == 32)
        let written = unsafe Processor.copy(buffer, toUser: 0x5fc0, byteCount: 64)
        #expect(written == 64)
      }
    }

    /// A page that appears, one that is copied, and one whose status is not the kernel's to supply.
    @Test func `pages are resolved as for the program`() throws {
      try inSpace { space in
        try mapFrame(at: 0x5000, in: space)
        try machine.mmu.write(7 as UInt64, at: 0x5008)
        try space.withCursor(over: bytes(0x6000, 0x2000)) { cursor throws(TesseraError) in
          try cursor.setDemandZero(4096, as: .userReadWrite)
          try cursor.setPending(4096, 5, as: .userReadWrite)
        }
        let child = try space.fork()
        let writer = try space.writer(of: bytes(0x5000, 0x3000))
        let reader = try space.reader(of: bytes(0x5000, 0x3000))
        let (done, found) = reader.bytes(0x3000, at: 0)
        #expect(done == 0x2000)
        #expect(found[8] == 7 && found[0x1000..<0x2000].allSatisfy { $0 == 0 })
        let written = writer.write([UInt8](repeating: 9, count: 0x3000))
        #expect(written == 0x2000)
        let isStored = writer.store(1 as UInt64, at: 0x1ffc)
        #expect(!isStored)
        #expect(child.load(UInt64.self, at: VirtualAddress(0x5008)) == 7)
        #expect(child.load(UInt64.self, at: VirtualAddress(0x6000)) == 0)
        #expect(reader.load(UInt64.self, at: 0x1ff8) == 0x0909_0909_0909_0909)
      }
    }

    /// Expects that neither a reader nor a writer of these bytes can be opened.
    private func expectError(
      _ error: TesseraError, in space: borrowing VmSpace, _ address: UInt64,
      _ byteCount: UInt64, sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(throws: error, sourceLocation: sourceLocation) {
        _ = try space.reader(at: VirtualAddress(address), byteCount: byteCount)
      }
      #expect(throws: error, sourceLocation: sourceLocation) {
        _ = try space.writer(at: VirtualAddress(address), byteCount: byteCount)
      }
    }
  }
}

extension UserMemoryReader {
  /// Reads into `count` bytes that all held 0xee. Returns how many were read, and all bytes.
  func bytes(_ count: Int, at offset: UInt64 = 0) -> (done: Int, bytes: [UInt8]) {
    var bytes = [UInt8](repeating: 0xee, count: count)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    let done = read(into: &raw, at: offset)
    return (done, bytes)
  }
}

extension UserMemoryWriter {
  func write(_ bytes: [UInt8], at offset: UInt64 = 0) -> Int {
    unsafe write(bytes.span.bytes, at: offset)
  }
}
