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
  /// What a fork leaves to parent and child, and what the first writes then do.
  @Suite("Copy-on-write") struct CopyOnWriteTests {
    let machine: SimulatedMachine
    let program: FaultingProgram
    private static let place: UInt64 = 1 << 30
    private static let twoMiB = PageSize.twoMiB.byteCount

    init() throws {
      machine = SimulatedMachine(frameCount: 4096)
      try machine.startKernelSpace()
      _ = machine.mmu
      program = FaultingProgram(machine: machine)
    }

    private func value(_ space: borrowing VmSpace, _ address: UInt64 = place) throws -> UInt64? {
      try program.read(at: address, in: space).value
    }

    private func write(
      _ value: UInt64, in space: borrowing VmSpace, at address: UInt64 = place
    ) throws -> [FaultResolution] {
      try program.write(value, at: address, in: space)
    }

    @Test func `the first to write gets a copy, and the last one the frame itself`() throws {
      try machine.inSpace { parent in
        let frame = try mapFrame(at: Self.place, in: parent)
        #expect(try write(1, in: parent) == [])
        let child = try parent.fork()
        let grandchild = try child.fork()
        #expect(try write(2, in: child) == [.resolved(.copy)])
        #expect(try write(3, in: parent) == [.resolved(.copy)])
        #expect(try write(4, in: grandchild) == [.resolved(.takeover)])
        #expect(grandchild.translate(VirtualAddress(Self.place))?.address == frame)
        #expect(try value(parent) == 3)
        #expect(try value(child) == 2)
        #expect(try value(grandchild) == 4)
        #expect(try write(5, in: parent) == [], "a copy stays writable")
        #expect(try write(6, in: child) == [])
        #expect(try write(7, in: grandchild) == [])
        machine.checkCoherent()
        #expect(child.problems == [] && grandchild.problems == [])
      }
    }

    @Test func `a copy has all bytes of the page, and the rights and software bits`() throws {
      try machine.inSpace { parent in
        let property = PageProperty.userReadWrite.with(software: 3)
        try mapFrame(at: Self.place, in: parent, as: property)
        for offset in stride(from: 0 as UInt64, to: 4096, by: 8) {
          try write(offset | 0xabcd << 48, in: parent, at: Self.place + offset)
        }
        let child = try parent.fork()
        #expect(try write(1, in: child, at: Self.place + 8) == [.resolved(.copy)])
        for offset in stride(from: 0 as UInt64, to: 4096, by: 8) {
          #expect(try value(parent, Self.place + offset) == offset | 0xabcd << 48)
          #expect(
            try value(child, Self.place + offset) == (offset == 8 ? 1 : offset | 0xabcd << 48))
        }
        let found = try #require(child.translate(VirtualAddress(Self.place))?.property)
        #expect(found.access == .readWrite && found.software == 3 && !found.isCopyOnWrite)
      }
    }

    @Test func `what was never writable is not written after a fork`() throws {
      try machine.inSpace { parent in
        for access in [PageAccess.none, .read, .readExecute] {
          try mapFrame(at: Self.place, in: parent, as: PageProperty(access, isUser: true))
          let child = try parent.fork()
          #expect(try write(1, in: parent) == [.denied])
          #expect(try write(1, in: child) == [.denied])
          // The right that it gets afterwards does not end the sharing.
          for space in 0..<2 {
            let range = bytes(Self.place, 4096)
            let change: (inout Cursor) throws(TesseraError) -> Void = {
              cursor throws(TesseraError) in _ = try cursor.protect(4096, to: .readWrite)
            }
            if space == 0 {
              try parent.withCursor(over: range, change)
            } else {
              try child.withCursor(over: range, change)
            }
          }
          #expect(try write(1, in: child) == [.resolved(.copy)])
          #expect(try value(parent) == 0)
          #expect(try write(2, in: parent) == [.resolved(.takeover)])
          #expect(try value(child) == 1)
          try parent.withCursor(over: bytes(Self.place, 4096)) { cursor throws(TesseraError) in
            _ = try cursor.unmap(4096)
          }
        }
      }
    }

    @Test func `pages that are shared are seen by both, through any number of forks`() throws {
      try machine.inSpace { parent in
        try mapFrame(at: Self.place, in: parent, as: .userReadWrite.with(isShared: true))
        try mapFrame(at: Self.place + 4096, in: parent)
        let child = try parent.fork()
        let grandchild = try child.fork()
        #expect(try write(1, in: parent) == [])
        #expect(try value(grandchild) == 1)
        #expect(try write(2, in: grandchild) == [])
        #expect(try value(parent) == 2 && value(child) == 2)
        #expect(try write(3, in: parent, at: Self.place + 4096) == [.resolved(.copy)])
        #expect(try value(child, Self.place + 4096) == 0)
        let property = child.translate(VirtualAddress(Self.place))?.property
        #expect(property?.isShared == true && property?.access == .readWrite)
      }
    }

    @Test func `statuses and pages that were only read are each space's own`() throws {
      try machine.inSpace { parent in
        try parent.withCursor(over: bytes(Self.place, 4 * 4096)) { cursor throws(TesseraError) in
          try cursor.setDemandZero(3 * 4096, as: .userReadWrite)
          try cursor.setPending(4096, 9, as: .userRead)
        }
        #expect(try value(parent) == 0)
        let used = FrameAllocator.statistics.usedFrameCount
        let child = try parent.fork()
        NodePool.drain()
        #expect(FrameAllocator.statistics.usedFrameCount == used + 4, "tables alone")
        #expect(try write(1, in: child) == [.resolved(.zeroedFrame)])
        #expect(try write(2, in: parent, at: Self.place + 4096) == [.resolved(.zeroedFrame)])
        #expect(try value(parent) == 0)
        #expect(try value(child, Self.place + 4096) == 0)
        #expect(try value(parent, Self.place + 4096) == 2)
        let answer = child.resolve(.read, at: VirtualAddress(Self.place + 3 * 4096))
        #expect(answer == .needs(9))
      }
    }

    @Test func `device memory is left as it is`() throws {
      try machine.inSpace { parent in
        try mapDevice(at: Self.place, 0xfee0_0000, 4096, in: parent)
        let child = try parent.fork()
        let found = child.translate(VirtualAddress(Self.place))
        #expect(found?.address.rawValue == 0xfee0_0000 && found?.property.access == .readWrite)
        #expect(parent.translate(VirtualAddress(Self.place))?.property.access == .readWrite)
      }
    }

    @Test func `a page of a large one is copied alone, and all of it taken over at last`() throws {
      try machine.inSpace { parent in
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: .twoMiB))
        try parent.withCursor(over: bytes(Self.place, Self.twoMiB)) {
          cursor throws(TesseraError) in try cursor.map(&frame, as: .userReadWrite)
        }
        for page in 0..<512 as Range<UInt64> {
          try write(page, in: parent, at: Self.place + page * 4096 + 16)
        }
        do {
          let child = try parent.fork()
          let place = Self.place + 100 * 4096 + 16
          let free = FrameAllocator.statistics.freeFrameCount
          #expect(try write(7, in: child, at: place) == [.resolved(.copy)])
          #expect(free - FrameAllocator.statistics.freeFrameCount <= 3, "one page and its table")
          for page in 0..<512 as Range<UInt64> {
            let address = Self.place + page * 4096 + 16
            #expect(try value(child, address) == (page == 100 ? 7 : page))
            #expect(try value(parent, address) == page)
          }
          machine.checkCoherent()
          #expect(child.problems == [])
          VmSpace.deactivate()
        }
        #expect(try write(9, in: parent) == [.resolved(.takeover)])
        #expect(try write(9, in: parent, at: Self.place + 511 * 4096) == [])
        let page = try parent.cursor(overMapped: bytes(Self.place, 4096)).query()
        #expect(page.entryByteCount == Self.twoMiB)
      }
    }

    @Test func `a fork that fails at any allocation leaves the parent as it was`() throws {
      try machine.inSpace { parent in
        let far = Self.place << 9
        for place in [0x5000, Self.place, far, far + Self.twoMiB] as [UInt64] {
          try mapFrame(at: place, in: parent)
          #expect(try write(place, in: parent, at: place) == [])
        }
        try parent.withCursor(over: bytes(Self.place + 4096, 8192)) {
          cursor throws(TesseraError) in try cursor.setDemandZero(8192, as: .userReadWrite)
        }
        var failureCount = 0
        for ordinal in 1... {
          NodePool.drain()
          let (hash, used) = (parent.rootNode.hash(), FrameAllocator.statistics.usedFrameCount)
          machine.failAllocation(ordinal)
          do throws(TesseraError) {
            let child = try parent.fork()
            machine.failAllocation(0)
            #expect(child.problems == [])
            break
          } catch {
            machine.failAllocation(0)
            #expect(error == .outOfFrames)
            NodePool.drain()
            #expect(parent.rootNode.hash() == hash, "allocation \(ordinal)")
            #expect(FrameAllocator.statistics.usedFrameCount == used)
            #expect(try write(UInt64(ordinal), in: parent, at: 0x5000) == [])
            failureCount += 1
          }
        }
        #expect(failureCount == 10, "the root, and nine tables")
      }
    }

    @Test func `forks until no frame is left leave every space as it was`() throws {
      try machine.inSpace { parent in
        for page in 0..<8 as Range<UInt64> {
          try mapFrame(at: Self.place + page * 4096, in: parent)
          #expect(try write(0, in: parent, at: Self.place + page * 4096) == [])
        }
        #expect(try generations(after: 0, of: parent) > 200)
        FrameAllocator.drainCache()
        #expect(try write(1, in: parent) != [.outOfFrames], "frames are free again")
      }
    }

    /// Forks `space`, writes the number of the copy to one of its pages, and goes on with that
    /// until a frame is missing. Returns the number of the last one.
    private func generations(after number: UInt64, of space: borrowing VmSpace) throws -> UInt64 {
      let page = Self.place + number % 8 * 4096
      var last = number
      do throws(TesseraError) {
        let copy = try space.fork()
        do {
          let answers = try write(number + 1, in: copy, at: Self.place + (number + 1) % 8 * 4096)
          if answers != [.outOfFrames] { last = try generations(after: number + 1, of: copy) }
          #expect(copy.problems == [])
        } catch { Issue.record(error) }
      } catch { #expect(error == .outOfFrames) }
      #expect(try value(space, page) == number)
      return last
    }

    @Test func `without a frame for the copy the write is denied, and can be repeated`() throws {
      try machine.inSpace { parent in
        try mapFrame(at: Self.place, in: parent)
        #expect(try write(1, in: parent) == [])
        let child = try parent.fork()
        machine.failAllocation(1)
        #expect(try write(2, in: child) == [.outOfFrames])
        machine.failAllocation(0)
        #expect(try value(child) == 1)
        #expect(try write(2, in: child) == [.resolved(.copy)])
        machine.failAllocation(1)
        #expect(try write(3, in: parent) == [.resolved(.takeover)], "which takes none")
        machine.failAllocation(0)
        #expect(try value(child) == 2)
      }
    }
  }
}
