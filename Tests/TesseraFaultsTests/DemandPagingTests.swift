import SimulatedMachine
import Tessera
import TesseraFaults
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TesseraSpaces
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Pages that appear when they are used.
  @Suite("Demand paging") struct DemandPagingTests {
    let machine: SimulatedMachine
    let program: FaultingProgram
    static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
      program = FaultingProgram(machine: machine)
    }

    private func reserve(
      _ byteCount: UInt64, in space: borrowing VmSpace, at start: UInt64 = place,
      as property: PageProperty = .userReadWrite
    ) throws {
      var cursor = try space.cursor(over: bytes(start, byteCount))
      try cursor.setDemandZero(byteCount, as: property)
    }

    private func content(
      _ space: borrowing VmSpace, _ address: UInt64 = place
    ) throws -> PageContent {
      let cursor = try space.cursor(overMapped: bytes(address, 4096))
      return try cursor.query().content
    }

    /// Fills all free memory, so that a frame that is not zeroed is noticed.
    private func soil() {
      var frames: [UInt64] = []
      while let frame = try? Frame(allocating: PlainMemory(), .uninitialized) {
        frame.fill(with: 0xa5a5_a5a5_a5a5_a5a5)
        frames.append(frame.relinquish().rawValue)
      }
      for address in frames {
        _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address))
      }
    }

    @Test func `a page that is read first maps the frame of zeros, and takes no frame`() throws {
      try machine.inSpace { space in
        let used = usedForPages
        try reserve(8 * 4096, in: space)
        var values: Set<UInt64> = []
        for page in 0..<8 as Range<UInt64> {
          let (value, answers) = try program.read(at: Self.place + page * 4096, in: space)
          values.insert(try #require(value))
          #expect(answers == [.resolved(.zeros)])
        }
        #expect(values == [0])
        guard case .mapped(let first, let property, let owns) = try content(space) else {
          return #expect(Bool(false), "nothing is mapped")
        }
        #expect(property.access == .read && property.isCopyOnWrite && !owns)
        for page in 1..<8 as Range<UInt64> {
          let found = space.translate(VirtualAddress(Self.place + page * 4096))
          #expect(found?.address == first, "each maps the same frame")
        }
        #expect(usedForPages == used)
      }
    }

    /// The number of frames in use besides page tables.
    private var usedForPages: UInt64 {
      FrameAllocator.statistics.usedFrameCount - FrameTable.census.count(of: .pageTable)
    }

    @Test func `a page that is written first has zeros, whatever the frame had`() throws {
      soil()
      try machine.inSpace { space in
        try reserve(3 * 4096, in: space)
        let place = Self.place + 4096 - 4
        let answers = try program.write(.max, at: place, in: space)
        #expect(answers == [.resolved(.zeroedFrame), .resolved(.zeroedFrame)])
        for offset in stride(from: 0 as UInt64, to: 2 * 4096, by: 8) {
          let value = try program.read(at: Self.place + offset, in: space).value
          let expected: UInt64? =
            switch offset {
            case 4088: 0xffff_ffff_0000_0000
            case 4096: 0x0000_0000_ffff_ffff
            default: 0
            }
          #expect(value == expected)
        }
      }
    }

    @Test func `a page that was read becomes the program's own when it is written`() throws {
      soil()
      try machine.inSpace { space in
        try reserve(2 * 4096, in: space)
        #expect(try program.read(at: Self.place, in: space).value == 0)
        #expect(try program.read(at: Self.place + 4096, in: space).value == 0)
        #expect(
          try program.write(7, at: Self.place, in: space) == [.resolved(.zeroedFrame)])
        #expect(try program.read(at: Self.place, in: space).value == 7)
        #expect(try program.read(at: Self.place + 8, in: space).value == 0)
        #expect(try program.read(at: Self.place + 4096, in: space).value == 0)
        #expect(try program.write(8, at: Self.place, in: space) == [])
        machine.checkCoherent()
      }
    }

    @Test func `what the rights forbid is denied, and the page stays as it was`() throws {
      try machine.inSpace { space in
        let rights: [(PageAccess, reads: Bool, writes: Bool, executes: Bool)] = [
          (.none, false, false, false), (.read, true, false, false),
          (.readWrite, true, true, false), (.readExecute, true, false, true),
        ]
        for (access, reads, writes, executes) in rights {
          let property = PageProperty(access, isUser: true).with(software: 2)
          try reserve(4096, in: space, as: property)
          var answers: [FaultResolution] = []
          for kind in [MemoryAccess.read, .write, .execute] {
            answers.append(space.resolve(kind, at: VirtualAddress(Self.place)))
            try reserve(again: property, in: space)
          }
          #expect(answers[0] == (reads ? .resolved(.zeros) : .denied))
          #expect(answers[1] == (writes ? .resolved(.zeroedFrame) : .denied))
          #expect(answers[2] == (executes ? .resolved(.zeros) : .denied))
          #expect(try content(space) == .demandZero(property))
        }
        let beyond = space.resolve(.read, at: VirtualAddress(Self.place + 4096))
        #expect(beyond == .denied)
      }
    }

    private func reserve(again property: PageProperty, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(Self.place, 4096))
      try cursor.unmap(4096)
      try cursor.jump(to: VirtualAddress(Self.place))
      try cursor.setDemandZero(4096, as: property)
    }

    @Test func `addresses outside of the space are denied`() throws {
      try machine.inSpace { space in
        try reserve(4096, in: space, at: VmSpace.end.rawValue - 4096)
        #expect(space.resolve(.write, at: VmSpace.end).isResolved == false)
        let inside = VirtualAddress(VmSpace.end.rawValue - 1)
        #expect(space.resolve(.write, at: inside) == .resolved(.zeroedFrame))
        for address in [
          VmSpace.end.rawValue, 1 << 47, 0x8000_0000_0000_0000,
          KernelSpace.area.lowerBound.rawValue,
          .max, .max - 4095,
        ] {
          for access in [MemoryAccess.read, .write, .execute] {
            #expect(space.resolve(access, at: VirtualAddress(address)) == .denied)
          }
        }
      }
    }

    @Test func `a status of half of the space takes no table, and a page of it three`() throws {
      try machine.inSpace { space in
        NodePool.drain()
        let used = FrameAllocator.statistics.usedFrameCount
        let half = VmSpace.end.rawValue / 2 & ~0xff_ffff_ffff
        try reserve(half, in: space, at: 0)
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used)
        #expect(try program.write(1, at: 0x1234_5678_9000, in: space) != [])
        #expect(try program.write(1, at: 0x0234_5678_9000, in: space) != [])
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used + 2 * (3 + 1))
        #expect(try content(space, 0x0234_5678_8000) == .demandZero(.userReadWrite))
      }
    }

    @Test func `protect and change give rights to pages that are not there yet`() throws {
      try machine.inSpace { space in
        let twoMiB = PageSize.twoMiB.byteCount
        try reserve(4 * twoMiB, in: space, as: .userReadWrite.with(software: 1))
        let part = bytes(Self.place + twoMiB - 4096, twoMiB)
        let mapped = try space.withCursor(over: part) { cursor throws(TesseraError) in
          try cursor.protect(twoMiB, to: .read)
        }
        #expect(mapped == 0, "nothing is mapped")
        let change = PageChange(clearingSoftware: 3, settingSoftware: 2)
        #expect(try space.change(part, by: change) == 0)
        let old = PageContent.demandZero(.userReadWrite.with(software: 1))
        let new = PageContent.demandZero(.userRead.with(software: 2))
        for (offset, expected) in [
          (0, old), (twoMiB - 8192, old), (twoMiB - 4096, new), (twoMiB, new),
          (2 * twoMiB - 8192, new), (2 * twoMiB - 4096, old), (4 * twoMiB - 4096, old),
        ] {
          #expect(try content(space, Self.place + offset) == expected, "at \(offset)")
        }
        #expect(
          try program.write(1, at: Self.place + twoMiB, in: space) == [.denied])
        #expect(try program.write(1, at: Self.place, in: space) == [.resolved(.zeroedFrame)])
        #expect(space.translate(VirtualAddress(Self.place))?.property.software == 1)
      }
    }

    @Test func `protect gives rights to a status above the leaf tables, too`() throws {
      try machine.inSpace { space in
        let twoMiB = PageSize.twoMiB.byteCount
        try reserve(3 * twoMiB, in: space)
        try space.withCursor(over: bytes(Self.place + twoMiB, twoMiB)) {
          cursor throws(TesseraError) in
          try cursor.protect(twoMiB, to: .read)
        }
        for (block, property) in [PageProperty.userReadWrite, .userRead, .userReadWrite]
          .enumerated()
        {
          for offset in [0, twoMiB - 4096] {
            let found = try content(space, Self.place + UInt64(block) * twoMiB + offset)
            #expect(found == .demandZero(property))
          }
        }
      }
    }

    @Test func `a page that the kernel supplies is asked for by its number`() throws {
      try machine.inSpace { space in
        do {
          var cursor = try space.cursor(over: bytes(Self.place, 3 * 4096))
          try cursor.setPending(4096, 0xdead_beef, as: .userRead)
          try cursor.setPending(4096, 0, as: .userReadWrite)
          try cursor.setStatus(4096, to: .max)
        }
        #expect(try content(space) == .pending(0xdead_beef, .userRead))
        var answers: [[FaultResolution]] = [[], [], []]
        for page in 0..<3 {
          let address = VirtualAddress(Self.place + UInt64(page) * 4096)
          for access in [MemoryAccess.read, .write, .execute] {
            answers[page].append(space.resolve(access, at: address))
          }
        }
        #expect(answers[0] == [.needs(0xdead_beef), .denied, .denied])
        #expect(answers[1] == [.needs(0), .needs(0), .denied])
        #expect(answers[2] == [.needs(.max), .needs(.max), .needs(.max)])
        try mapFrame(at: Self.place, in: space, as: .userRead)
        #expect(try program.read(at: Self.place, in: space).answers == [])
      }
    }

    @Test func `unmapping ends the status, and pages that appeared are freed`() throws {
      try machine.inSpace { space in
        try reserve(64 * 4096, in: space)
        for page in stride(from: 0 as UInt64, to: 64, by: 3) {
          try program.write(page, at: Self.place + page * 4096, in: space)
          _ = try program.read(at: Self.place + (page + 1) * 4096, in: space)
        }
        let unmapped = try space.withCursor(over: bytes(Self.place, 64 * 4096)) {
          cursor throws(TesseraError) in try cursor.unmap(64 * 4096)
        }
        #expect(unmapped == 43 * 4096)
        for page in 0..<64 as Range<UInt64> {
          #expect(try content(space, Self.place + page * 4096) == .absent)
        }
        machine.checkCoherent()
      }
    }

    @Test func `a large page comes where all of it has the status`() throws {
      let twoMiB = PageSize.twoMiB.byteCount
      var program = program
      program.options = SupplyOptions(bringsLargePages: true)
      soil()
      try machine.inSpace { space in
        try reserve(3 * twoMiB, in: space, at: Self.place - 4096)
        let answer = try program.write(5, at: Self.place + 0x12_3458, in: space)
        #expect(answer == [.resolved(.zeroedFrame)])
        for offset in stride(from: 0, to: twoMiB, by: 8 * 511) {
          let found = try program.read(at: Self.place + offset, in: space)
          #expect(found.value == 0 && found.answers == [])
        }
        #expect(try program.read(at: Self.place + 0x12_3458, in: space).value == 5)
        // The first page lies in a part that is not whole, as does the last.
        try program.write(6, at: Self.place - 4096, in: space)
        try program.write(7, at: Self.place + 2 * twoMiB, in: space)
        var sizes: [UInt64] = []
        for start in [Self.place - 4096, Self.place, Self.place + 2 * twoMiB] {
          sizes.append(try space.cursor(overMapped: bytes(start, 4096)).query().entryByteCount)
        }
        #expect(sizes == [4096, twoMiB, 4096])
        // Where a page was read, the block is in parts.
        _ = try program.read(at: Self.place + twoMiB, in: space)
        #expect(
          try program.write(8, at: Self.place + twoMiB + 4096, in: space)
            == [.resolved(.zeroedFrame)])
        let part = bytes(Self.place + twoMiB + 4096, 4096)
        #expect(try space.cursor(overMapped: part).query().entryByteCount == 4096)
      }
    }

    /// The last block of 2 MiB is not whole: the last page of the half is no program's.
    @Test func `no large page comes that would end after the space`() throws {
      var program = program
      program.options = SupplyOptions(bringsLargePages: true)
      let start = VmSpace.end.rawValue & ~(PageSize.twoMiB.byteCount - 1)
      try machine.inSpace { space in
        try reserve(VmSpace.end.rawValue - start, in: space, at: start)
        let last = VmSpace.end.rawValue - 4096
        #expect(try program.write(5, at: last, in: space) == [.resolved(.zeroedFrame)])
        let page = try space.cursor(overMapped: bytes(last, 4096)).query()
        #expect(page.entryByteCount == 4096)
      }
    }

    @Test func `without memory for a large page, small ones come`() throws {
      var program = program
      program.options = SupplyOptions(bringsLargePages: true)
      try machine.inSpace { space in
        try reserve(PageSize.twoMiB.byteCount, in: space)
        var held: [UInt64] = []
        while let frame = try? Frame(
          allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
        { held.append(frame.relinquish().rawValue) }
        let answers = try program.write(5, at: Self.place, in: space)
        for address in held { _ = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address)) }
        #expect(answers == [.resolved(.zeroedFrame)])
        let page = try space.cursor(overMapped: bytes(Self.place, 4096)).query()
        #expect(page.entryByteCount == 4096)
      }
    }

    @Test(arguments: [1, 2, 16, 512])
    func `pages around one that is read get the zeros too`(count: Int) throws {
      var program = program
      program.options = SupplyOptions(zeroPageCount: count)
      try machine.inSpace { space in
        let start = Self.place - 20 * 4096
        try reserve(600 * 4096, in: space, at: start)
        try mapFrame(at: Self.place + 5 * 4096, in: space)
        #expect(
          try program.read(at: Self.place + 4 * 4096, in: space).answers == [.resolved(.zeros)])
        let block = UInt64(count) * 4096
        let first = (Self.place + 4 * 4096) & ~(block - 1)
        for page in 0..<600 as Range<UInt64> {
          let address = start + page * 4096
          let isMapped =
            (address >= first && address < first + block) || address == Self.place + 5 * 4096
          #expect(try content(space, address).isMapped == isMapped, "page \(page)")
        }
      }
    }

    @Test func `a fault on a page that allows the access takes nothing but a flush`() throws {
      machine.mmu.options.deliversSpuriousFaults = true
      try machine.inSpace { space in
        try mapFrame(at: Self.place, in: space, as: .userRead)
        #expect(try program.read(at: Self.place, in: space).answers == [])
        try space.withCursor(over: bytes(Self.place, 4096)) { cursor throws(TesseraError) in
          _ = try cursor.protect(4096, to: .readWrite)
        }
        #expect(try program.write(1, at: Self.place, in: space) == [.resolved(.nothing)])
      }
    }

    @Test func `a failure to allocate leaves the page as it was, and can be retried`() throws {
      try machine.inSpace { space in
        try reserve(1 << 30, in: space)
        for access in [MemoryAccess.read, .write] {
          let address = VirtualAddress(Self.place + (access == .read ? 0 : 0x1000_0000))
          var failureCount = 0
          for ordinal in 1... {
            NodePool.drain()
            let hash = space.rootNode.hash()
            machine.failAllocation(ordinal)
            let answer = space.resolve(access, at: address)
            let hasFailed = machine.hasFailedAllocation
            machine.failAllocation(0)
            guard hasFailed else {
              #expect(answer.isResolved)
              break
            }
            failureCount += 1
            if answer == .outOfFrames { #expect(space.rootNode.hash() == hash) }
            if answer.isResolved { break }
          }
          // Two tables; or the frame, and the second table, since the first is there.
          #expect(failureCount == 2)
        }
      }
    }
  }
}
