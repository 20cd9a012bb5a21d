import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraPageTables

extension OnSimulatedMachine {
  /// Objects whose pages come from a store, and go there.
  @Suite("Memory objects") struct MemoryObjectTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 800)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    private func withFile(
      of pageCount: UInt64, slowly isSlow: Bool = false,
      _ body: (borrowing VmSpace, PagedProgram, borrowing MemoryObject, TestStore) throws -> Void
    ) throws {
      let swap = TestStore()
      let file = TestStore()
      for page in 0..<pageCount { file.setPage(page, to: page + 1) }
      file.isSlow = isSlow
      try machine.withPager(swap) { space, program in
        let object = try MemoryObject(byteCount: pageCount * 4096, store: file.pageStore)
        var program = program
        program.store = file
        try body(space, program, object, file)
        file.finishAll()
      }
    }

    @Test(arguments: [false, true])
    func `a file larger than memory is read and written by a program`(isSlow: Bool) throws {
      try withFile(of: 2000, slowly: isSlow) { space, program, object, file in
        let range = bytes(Self.place, 2000 * 4096)
        try space.map(object, at: range, as: Self.shared)
        for page in 0..<2000 as Range<UInt64> {
          #expect(try program.read(at: address(page), in: space) == page + 1)
          if page % 5 == 0 { try program.write(page + 5000, at: address(page), in: space) }
        }
        while !object.synchronize().isComplete { file.finishAll() }
        for page in 0..<2000 as Range<UInt64> {
          #expect(file.word(page) == (page % 5 == 0 ? page + 5000 : page + 1))
        }
      }
    }

    @Test func `a private mapping has what the file has until it is written`() throws {
      try withFile(of: 10) { space, program, object, file in
        let other = try VmSpace()
        try other.startPaging()
        try space.map(object, at: bytes(Self.place, 10 * 4096), as: .userReadWrite)
        try other.map(object, at: bytes(Self.place, 10 * 4096), as: Self.shared)
        #expect(try program.read(at: address(3), in: space) == 4)
        try program.write(77, at: address(3), in: other)
        #expect(try program.read(at: address(3), in: space) == 77)
        try program.write(88, at: address(3), in: space)
        #expect(try program.read(at: address(3), in: other) == 77)
        try program.write(99, at: address(3), in: other)
        #expect(try program.read(at: address(3), in: space) == 88)
        #expect(object.synchronize().isComplete)
        #expect(file.word(3) == 99)
        Pager.reclaim(1000)
        #expect(try program.read(at: address(3), in: space) == 88)
        #expect(try program.read(at: address(3), in: other) == 99)
        VmSpace.deactivate()
      }
    }

    @Test func `pages behind the end are denied, and the rest of the last one is zeros`() throws {
      try withFile(of: 10) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 12 * 4096), as: Self.shared)
        #expect(try program.read(at: address(9), in: space) == 10)
        #expect(try program.read(at: address(10), in: space) == nil)
        try object.resize(to: 5 * 4096 + 16)
        #expect(try program.read(at: address(5) + 8, in: space) == 6)
        #expect(try program.read(at: address(5) + 16, in: space) == 0)
        #expect(try program.read(at: address(6), in: space) == nil)
        #expect(try program.read(at: address(9), in: space) == nil)
        try object.resize(to: 10 * 4096)
        #expect(try program.read(at: address(9), in: space) == 10)
        #expect(try program.read(at: address(5) + 16, in: space) == 0)
        #expect(throws: TesseraError.outOfBounds) { try object.resize(to: 10 * 4096 + 1) }
      }
    }

    @Test func `an object becomes shorter once its last page can be cleared`() throws {
      try withFile(of: 4) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 4 * 4096), as: Self.shared)
        file.isSlow = true
        for _ in 0..<2 {
          #expect(throws: TesseraError.pageBusy) { try object.resize(to: 2 * 4096 + 8) }
        }
        #expect(object.byteCount == 4 * 4096 && file.readCount == 1)
        file.finishAll()
        file.isSlow = false
        #expect(try program.read(at: address(2) + 8, in: space) == 3)
        try object.resize(to: 2 * 4096 + 8)
        file.failNext(reads: 1, writes: 0)
        #expect(throws: TesseraError.storeFailed) { try object.resize(to: 4096 + 8) }
        #expect(object.byteCount == 2 * 4096 + 8)
        #expect(try program.read(at: address(1) + 8, in: space) == 2)
        try object.resize(to: 4096 + 8)
        try object.resize(to: 4 * 4096)
        #expect(try program.read(at: address(1), in: space) == 2)
        #expect(try program.read(at: address(1) + 8, in: space) == 0)
        #expect(object.synchronize().isComplete && file.pages[4096]?[1] == 0)
      }
    }

    @Test func `what was written through a mapping that is gone reaches the file`() throws {
      try withFile(of: 10) { space, program, object, file in
        let range = bytes(Self.place, 10 * 4096)
        try space.map(object, at: range, as: Self.shared)
        for page in 0..<10 as Range<UInt64> {
          try program.write(page + 50, at: address(page), in: space)
        }
        try space.withCursor(over: range) { cursor throws(TesseraError) in
          _ = try cursor.unmap(10 * 4096)
        }
        #expect(object.synchronize() == SynchronizeResult(written: 10))
        #expect(object.synchronize() == SynchronizeResult())
        #expect(file.word(7) == 57)
      }
    }

    @Test func `a page that is written while it is written back is written again`() throws {
      try withFile(of: 4, slowly: true) { space, program, object, file in
        try space.map(object, at: bytes(Self.place, 4 * 4096), as: Self.shared)
        try program.write(100, at: address(0), in: space)
        #expect(object.synchronize() == SynchronizeResult(beingWritten: 1))
        try program.write(200, at: address(0), in: space)
        file.finishAll()
        #expect(file.word(0) == 100)
        #expect(object.synchronize() == SynchronizeResult(beingWritten: 1))
        file.finishAll()
        #expect(file.word(0) == 200)
        #expect(object.synchronize() == SynchronizeResult())
      }
    }

    @Test func `pages of a file are not moved, and anonymous ones are`() throws {
      try withFile(of: 4) { space, program, object, _ in
        try space.map(object, at: bytes(Self.place, 4 * 4096), as: Self.shared)
        let anonymous = bytes(Self.place + 8 * 4096, 4 * 4096)
        try space.withCursor(over: anonymous) { cursor throws(TesseraError) in
          try cursor.setDemandZero(4 * 4096, as: .userReadWrite)
        }
        _ = try program.read(at: address(1), in: space)
        try program.write(5, at: address(9), in: space)
        for page in 0..<2 as Range<UInt64> {
          let source = bytes(address(page), 4096)
          #expect(throws: TesseraError.alreadyMapped(source.lowerBound)) {
            try space.move(source, to: VirtualAddress(address(16)))
          }
        }
        try space.move(anonymous, to: VirtualAddress(address(16)))
        #expect(try program.read(at: address(17), in: space) == 5)
        Pager.reclaim(600)
        #expect(space.translate(VirtualAddress(address(17))) == nil, "it is in swap")
        #expect(try program.read(at: address(17), in: space) == 5)
        #expect(try program.read(at: address(1), in: space) == 2)
        // The child has the page at the old address, and the pager goes on to find it there.
        let child = try space.fork()
        try space.move(bytes(address(17), 4096), to: VirtualAddress(address(30)))
        let frame = child.translate(VirtualAddress(address(17)))?.address ?? PhysicalAddress(0)
        #expect(Pager.page(at: frame)?.index == address(17) / 4096)
        #expect(Pager.page(at: frame)?.mapCount == 1)
        #expect(try program.read(at: address(30), in: space) == 5)
        #expect(try program.read(at: address(17), in: child) == 5)
        VmSpace.deactivate()
      }
    }

    @Test func `pages of a private mapping are not moved before they are copied`() throws {
      try withFile(of: 4) { space, program, object, _ in
        try space.map(object, at: bytes(Self.place, 4 * 4096), as: .userReadWrite)
        let child = try space.fork()
        #expect(try program.read(at: address(1), in: space) == 2)
        let page = bytes(address(1), 4096)
        #expect(throws: TesseraError.alreadyMapped(page.lowerBound)) {
          try space.move(page, to: VirtualAddress(address(16)))
        }
        try program.write(5, at: address(1), in: space)
        try space.move(page, to: VirtualAddress(address(16)))
        #expect(try program.read(at: address(16), in: space) == 5)
        #expect(try program.read(at: address(1), in: child) == 2)
        VmSpace.deactivate()
      }
    }

    @Test func `memory that two spaces share goes to swap and comes back`() throws {
      try withFile(of: 1) { space, program, _, _ in
        let memory = try MemoryObject(byteCount: 900 * 4096)
        let other = try VmSpace()
        try other.startPaging()
        try space.map(memory, at: bytes(Self.place, 900 * 4096), as: Self.shared)
        try other.map(memory, from: 100, at: bytes(Self.place, 800 * 4096), as: Self.shared)
        for page in 0..<900 as Range<UInt64> {
          try program.write(page + 9, at: address(page), in: space)
        }
        #expect(Pager.swapUsage.used > 0)
        let usage = Pager.usage()
        #expect(usage.objects.swapped == memory.usage().swapped && usage.objects.swapped > 0)
        #expect(usage.anonymous.swapped == UInt64(Pager.swapUsage.used) - usage.objects.swapped)
        for page in 0..<800 as Range<UInt64> {
          #expect(try program.read(at: address(page), in: other) == page + 109)
          try program.write(page, at: address(page), in: other)
        }
        for page in 100..<900 as Range<UInt64> {
          #expect(try program.read(at: address(page), in: space) == page - 100)
        }
        VmSpace.deactivate()
      }
    }

    private func read(
      _ count: Int, of object: borrowing MemoryObject, at offset: UInt64
    ) -> [UInt8] {
      var bytes = [UInt8](repeating: 0, count: count)
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      let done = object.read(into: &raw, at: offset).count
      return Array(bytes.prefix(done))
    }

    @Test func `the kernel reads and writes a file, and a program sees it`() throws {
      try withFile(of: 3) { space, program, object, file in
        let text = Array("across a page".utf8)
        let written = object.write(text.span.bytes, at: 4090)
        #expect(written.count == 13 && written.end == .resolved(.nothing))
        try space.map(object, at: bytes(Self.place, 3 * 4096), as: .userRead)
        let first = try #require(try program.read(at: address(1) - 8, in: space))
        #expect(first >> 16 & 0xff == UInt64(text[0]))
        #expect(read(13, of: object, at: 4090) == text)
        #expect(read(13, of: object, at: 3 * 4096 - 4).count == 4, "the object ends")
        #expect(object.synchronize().written == 2)
      }
    }
  }
}
