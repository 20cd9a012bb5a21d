import SimulatedMachine
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// When an attachment has no page any more, and what keeps it.
  @Suite("Attachments that no page has") struct AttachmentSweepTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 900, processorCount: 2)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    /// The number of attachments of the family of `space`.
    private func attachmentCount(of space: borrowing VmSpace) -> Int {
      guard let family = SpaceFamilies.acquire(UInt32(space.root.pagerNumber)) else { return 0 }
      defer { SpaceFamilies.release(family) }
      return family.value.attachmentCount
    }

    private func unmap(_ range: Range<VirtualAddress>, in space: borrowing VmSpace) throws {
      try space.withCursor(over: range) { cursor throws(TesseraError) in
        try cursor.unmap(range.upperBound.byteCount(from: range.lowerBound))
      }
    }

    /// Maps a page of `object` so often, and unmaps it, far from all else, that a sweep is due.
    private func mapInVain(
      _ object: borrowing MemoryObject, in space: borrowing VmSpace, count: UInt64 = 200
    ) throws {
      for index in 0..<count {
        let range = bytes((1 << 40) + index * 4096, 4096)
        try space.map(object, at: range, as: Self.shared)
        try unmap(range, in: space)
      }
    }

    @Test func `a program that maps and unmaps for ever takes no more memory`() throws {
      try machine.withPager { space, program in
        let file = TestStore()
        file.setPage(0, to: 7)
        var used: [Int] = []
        for round in 0..<6 as Range<UInt64> {
          for _ in 0..<100 {
            let object = try MemoryObject(byteCount: 4096, store: file.pageStore)
            try space.map(object, at: bytes(Self.place, 4096), as: Self.shared)
            try program.expect(7, at: Self.place, in: space)
            try unmap(bytes(Self.place, 4096), in: space)
          }
          used.append(Int(Heap.statistics.usedByteCount))
          #expect(attachmentCount(of: space) <= 32, "in round \(round)")
        }
        // 33 attachments and 33 objects at most, of 600 each.
        #expect(used.allSatisfy { $0 < 33 * (80 + 112) + 1024 }, "\(used)")
      }
    }

    @Test func `the pages of a child keep what its parent has unmapped`() throws {
      try machine.withPager { space, program in
        let file = TestStore()
        for page in 0..<20 as Range<UInt64> { file.setPage(page, to: page + 1) }
        let object = try MemoryObject(byteCount: 20 * 4096, store: file.pageStore)
        for page in 0..<20 as Range<UInt64> {
          try space.map(object, from: page, at: bytes(address(page), 4096), as: Self.shared)
        }
        let child = try space.fork()
        try unmap(bytes(Self.place, 20 * 4096), in: space)
        try mapInVain(object, in: space)
        #expect(attachmentCount(of: space) >= 20)
        for page in 0..<20 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: child)
        }
        // Every page of the child is a leaf now, and no entry has the number.
        try mapInVain(object, in: space)
        while Pager.reclaim(20).freed > 0 {}
        #expect(object.usage().resident == 0)
        for page in 0..<20 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: child)
        }
        try unmap(bytes(Self.place, 20 * 4096), in: child)
        try mapInVain(object, in: space)
        #expect(attachmentCount(of: space) <= 16)
        VmSpace.deactivate()
      }
    }

    @Test func `a page of a child is found behind many others of its parent`() throws {
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 300 * 4096)
        let range = bytes(Self.place, 300 * 4096)
        try space.map(object, at: range, as: Self.shared)
        try program.write(7, at: address(5), in: space)
        let child = try space.fork()
        try unmap(bytes(Self.place, 5 * 4096), in: child)
        try unmap(bytes(address(6), 294 * 4096), in: child)
        // A search of the parent ends before the last page: it has as many entries of its own.
        try unmap(range, in: space)
        try space.reserve(300, at: Self.place)
        for page in 0..<300 as Range<UInt64> {
          try program.write(page, at: address(page), in: space)
        }
        try mapInVain(object, in: space)
        while Pager.reclaim(400).freed > 0 {}
        #expect(object.usage().resident == 0, "the child is found")
        try program.expect(7, at: address(5), in: child)
        VmSpace.deactivate()
      }
    }

    @Test func `copies that a space has made keep no attachment`() throws {
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 20 * 4096)
        for page in 0..<20 as Range<UInt64> {
          try space.map(object, from: page, at: bytes(address(page), 4096), as: .userReadWrite)
          try program.write(page + 1, at: address(page), in: space)
        }
        try mapInVain(object, in: space)
        #expect(attachmentCount(of: space) <= 16)
        for page in 0..<20 as Range<UInt64> {
          try program.expect(page + 1, at: address(page), in: space)
        }
      }
    }

    @Test func `a mapping that is being made is not swept, and one that failed is gone`() throws {
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 4096)
        guard let family = SpaceFamilies.acquire(UInt32(space.root.pagerNumber)) else { return }
        defer { SpaceFamilies.release(family) }
        let page = VirtualAddress(Self.place)
        let made = try Attachments.add(object.record, from: 0, pageCount: 1, at: page, of: family)
        try mapInVain(object, in: space)
        var isRemoved = made.value.isRemoved
        #expect(!isRemoved)
        Attachments.remove(made)
        isRemoved = made.value.isRemoved
        #expect(isRemoved)
        Attachments.end(made)
        try space.map(object, at: bytes(Self.place, 4096), as: Self.shared)
        let count = attachmentCount(of: space)
        #expect(throws: TesseraError.alreadyMapped(page)) {
          try space.map(object, at: bytes(Self.place, 4096), as: Self.shared)
        }
        #expect(attachmentCount(of: space) == count)
      }
    }

    @Test func `pages of an object are not copied but by a fork`() throws {
      try machine.withPager { space, program in
        let object = try MemoryObject(byteCount: 2 * 4096)
        try space.map(object, at: bytes(Self.place, 2 * 4096), as: Self.shared)
        try program.write(5, at: address(1), in: space)
        let other = try VmSpace()
        for page in 0..<2 as Range<UInt64> {
          // The first page has a status, and the second is mapped.
          let range = bytes(address(page), 4096)
          let error = #expect(throws: TesseraError.self) {
            try other.withCursor(over: range) { target throws(TesseraError) in
              try space.withCursor(over: range) { source throws(TesseraError) in
                try target.copy(from: &source, 4096)
              }
            }
          }
          #expect(error == .alreadyMapped(range.lowerBound))
          let pieces = PiecewiseRange(bytes(Self.place - 4096 * 600, 602 * 4096), of: other.root)
          let all = PiecewiseRange(bytes(Self.place - 4096 * 600, 602 * 4096), of: space.root)
          #expect(throws: TesseraError.self) { try pieces.copy(from: all) }
          #expect(throws: TesseraError.alreadyMapped(range.lowerBound)) {
            try space.move(range, to: VirtualAddress(Self.place + (1 << 20)))
          }
        }
        #expect(other.problems == [])
        #expect(other.translate(VirtualAddress(address(1))) == nil)
        let child = try space.fork()
        try program.expect(5, at: address(1), in: child)
        VmSpace.deactivate()
      }
    }
  }
}
