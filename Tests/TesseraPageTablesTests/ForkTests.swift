import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// What a fork shares stays apart: no later change of rights lets one space write what another
  /// one reads.
  @Suite("Fork") struct ForkTests {
    let machine: SimulatedMachine
    private static let twoMiB = PageSize.twoMiB.byteCount
    private static let place: UInt64 = 1 << 30

    init() throws {
      machine = SimulatedMachine(frameCount: 2048)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func fork(
      _ parent: borrowing VmSpace, to child: borrowing VmSpace, _ byteCount: UInt64,
      at start: UInt64 = place
    ) throws {
      var source = try parent.cursor(over: bytes(start, byteCount))
      var target = try child.cursor(over: bytes(start, byteCount))
      try target.copy(from: &source, byteCount)
    }

    private func protect(
      _ space: borrowing VmSpace, _ start: UInt64 = place, _ byteCount: UInt64 = 4096,
      to access: PageAccess
    ) throws {
      var cursor = try space.cursor(over: bytes(start, byteCount))
      #expect(try cursor.protect(byteCount, to: access) == byteCount)
    }

    private func unmap(
      _ space: borrowing VmSpace, _ start: UInt64 = place, _ byteCount: UInt64 = 4096
    ) throws {
      var cursor = try space.cursor(over: bytes(start, byteCount))
      #expect(try cursor.unmap(byteCount) == byteCount)
    }

    /// The rights of the page, and whether it must be copied before it is written.
    private func state(
      _ space: borrowing VmSpace, _ start: UInt64 = place
    ) throws -> [AnyHashable] {
      let cursor = try space.cursor(over: bytes(start, 4096))
      guard case .mapped(_, let property, _) = try cursor.query().content else { return [] }
      return [property.access, property.isCopyOnWrite]
    }

    /// The rights before a fork, and whether the pages must be copied after it.
    private static let accesses: [(PageAccess, isMarked: Bool)] = [
      (.none, true), (.read, false), (.readExecute, false), (.readWrite, true),
    ]

    @Test(arguments: [PageSize.fourKiB, .twoMiB])
    func `no change of rights makes a page writable whose frame a fork shares`(
      size: PageSize
    ) throws {
      for (before, isMarked) in Self.accesses {
        let parent = try VmSpace()
        let child = try VmSpace()
        let place = Self.place
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: size))
        do {
          var cursor = try parent.cursor(over: bytes(place, size.byteCount))
          try cursor.map(&frame, as: PageProperty(before, isUser: true))
        }
        try fork(parent, to: child, size.byteCount)
        let forked: PageAccess = before == .readWrite ? .read : before
        #expect(try state(parent) == [forked, isMarked], "\(before)")
        #expect(try state(child) == [forked, isMarked], "\(before)")
        for access in [PageAccess.readWrite, .none, .readWrite, .read, .readWrite] {
          try protect(parent, place, size.byteCount, to: access)
          try protect(child, place, size.byteCount, to: access)
          let given: PageAccess = access == .readWrite ? .read : access
          #expect(try state(parent) == [given, access != .read], "\(before), \(access)")
          #expect(try state(child) == [given, access != .read], "\(before), \(access)")
        }
        #expect(parent.problems == [])
        #expect(child.problems == [])
        try unmap(child, place, size.byteCount)
        try protect(parent, place, size.byteCount, to: .readWrite)
        #expect(try state(parent) == [PageAccess.readWrite, false], "\(before)")
        #expect(parent.problems == [])
      }
      #expect(machine.violations == [])
    }

    @Test func `a page that the cursor has unmapped still shares its frame`() throws {
      let space = try VmSpace()
      let range = bytes(Self.place, 8192)
      do {
        let parent = try VmSpace()
        try mapFrame(at: Self.place, in: parent)
        for page in [Self.place, Self.place + 4096] {
          var source = try parent.cursor(over: bytes(Self.place, 4096))
          var target = try space.cursor(over: bytes(page, 4096))
          try target.copy(from: &source, 4096)
        }
      }
      do {
        var cursor = try space.cursor(over: range)
        #expect(try cursor.unmap(4096) == 4096)
        #expect(try cursor.protect(4096, to: .readWrite) == 4096)
      }
      #expect(try state(space, Self.place + 4096) == [PageAccess.read, true])
      try protect(space, Self.place + 4096, to: .readWrite)
      #expect(try state(space, Self.place + 4096) == [PageAccess.readWrite, false])
      #expect(space.problems == [])
    }

    @Test func `a write through one space is never read through the other`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      try mapFrame(at: Self.place, in: parent)
      parent.activate()
      try machine.mmu.write(UInt64(1), at: Self.place)
      try fork(parent, to: child, 4096)
      try protect(parent, to: .readWrite)
      #expect(throws: (any Error).self) { try machine.mmu.write(UInt64(2), at: Self.place) }
      // As a kernel does at the fault.
      try mapCopy(of: Self.place, in: parent)
      try machine.mmu.write(UInt64(2), at: Self.place)
      try protect(child, to: .readWrite)
      child.activate()
      #expect(try machine.mmu.read(UInt64.self, at: Self.place) == 1)
      try machine.mmu.write(UInt64(3), at: Self.place)
      parent.activate()
      #expect(try machine.mmu.read(UInt64.self, at: Self.place) == 2)
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    /// Replaces the page by a writable copy of its frame.
    private func mapCopy(of page: UInt64, in space: borrowing VmSpace) throws {
      var cursor = try space.cursor(over: bytes(page, 4096))
      guard case .mapped(let memory, let property, _) = try cursor.query().content else { return }
      #expect(property.isCopyOnWrite)
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      let target = unsafe PhysicalMemory.pointer(to: frame?.address ?? .zero)
      unsafe target.copyMemory(from: PhysicalMemory.pointer(to: memory), byteCount: 4096)
      // The property of a page to be copied is not that of the copy.
      try cursor.replace(with: &frame, as: property.with(.readWrite))
      try cursor.jump(to: VirtualAddress(page))
      guard case .mapped(_, let new, _) = try cursor.query().content else { return }
      #expect(new.access == .readWrite && !new.isCopyOnWrite)
    }

    @Test func `a second fork, and a handle, keep a page from becoming writable`() throws {
      let parent = try VmSpace()
      let first = try VmSpace()
      let second = try VmSpace()
      let memory = try mapFrame(at: Self.place, in: parent)
      try fork(parent, to: first, 4096)
      try fork(parent, to: second, 4096)
      try unmap(first)
      try protect(parent, to: .readWrite)
      #expect(try state(parent) == [PageAccess.read, true])
      try unmap(second)
      do {
        let handle = try AnyFrame(sharing: memory)
        try protect(parent, to: .readWrite)
        #expect(try state(parent) == [PageAccess.read, true])
        _ = consume handle
      }
      try protect(parent, to: .readWrite)
      #expect(try state(parent) == [PageAccess.readWrite, false])
      // What is not shared by a fork is writable through any number of mappings.
      try protect(parent, to: .read)
      let handle = try AnyFrame(sharing: memory)
      try protect(parent, to: .readWrite)
      #expect(try state(parent) == [PageAccess.readWrite, false])
      _ = consume handle
      #expect(machine.violations == [])
    }

    @Test func `parts of a forked large page are as the whole, and so is what they collapse into`()
      throws
    {
      let parent = try VmSpace()
      let child = try VmSpace()
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      do {
        var cursor = try parent.cursor(over: bytes(Self.place, Self.twoMiB))
        try cursor.map(&frame, as: .userRead)
      }
      try fork(parent, to: child, Self.twoMiB)
      let part = Self.place + 5 << 12
      try protect(parent, part, to: .none)
      #expect(try state(parent, part) == [PageAccess.none, true])
      #expect(try state(parent, part + 4096) == [PageAccess.read, false])
      try protect(parent, part, 8192, to: .readWrite)
      #expect(try state(parent, part) == [PageAccess.read, true])
      #expect(try state(parent, part + 4096) == [PageAccess.read, true])
      try protect(parent, Self.place, Self.twoMiB, to: .readWrite)
      do {
        var cursor = try parent.cursor(over: bytes(Self.place - Self.twoMiB, 2 * Self.twoMiB))
        #expect(cursor.collapse(2 * Self.twoMiB) == 1)
      }
      #expect(try state(parent) == [PageAccess.read, true])
      try unmap(child, Self.place, Self.twoMiB)
      try protect(parent, Self.place, Self.twoMiB, to: .readWrite)
      #expect(try state(parent) == [PageAccess.readWrite, false])
      #expect(parent.problems == [])
      #expect(machine.violations == [])
    }

    @Test func `rights of unlike pages in a run are given where they may be`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      // Every second page is forked, and of these every second one is unmapped in the child.
      for page in 0..<16 as Range<UInt64> {
        try mapFrame(at: Self.place + page << 12, in: parent, as: .userRead)
        if page % 2 == 0 { try fork(parent, to: child, 4096, at: Self.place + page << 12) }
        if page % 4 == 0 { try unmap(child, Self.place + page << 12) }
      }
      parent.activate()
      try protect(parent, Self.place, 16 << 12, to: .readWrite)
      for page in 0..<16 as Range<UInt64> {
        let isShared = page % 4 == 2
        #expect(
          try state(parent, Self.place + page << 12)
            == [isShared ? PageAccess.read : .readWrite, isShared], "page \(page)")
      }
      #expect(machine.mmu.incoherences() == [])
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test(arguments: [false, true])
    func `a fork of dirty and clean pages keeps the bits of both`(isLarge: Bool) throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      let size: PageSize = isLarge ? .twoMiB : .fourKiB
      let isDirty = isLarge ? [true] : [true, true, false, true, false, false, true]
      for (index, isDirty) in isDirty.enumerated() {
        let start = Self.place + UInt64(index) * size.byteCount
        var frame: Frame<PlainMemory>? = try Frame(
          allocating: PlainMemory(), FrameRequest(size: size))
        var cursor = try parent.cursor(over: bytes(start, size.byteCount))
        try cursor.map(
          &frame, as: .userReadWrite.with(isAccessed: isDirty, isDirty: isDirty))
      }
      parent.activate()
      let byteCount = UInt64(isDirty.count) * size.byteCount
      try fork(parent, to: child, byteCount)
      #expect(machine.mmu.incoherences() == [])
      for (index, isDirty) in isDirty.enumerated() {
        let start = Self.place + UInt64(index) * size.byteCount
        for found in [
          parent.translate(VirtualAddress(start)), child.translate(VirtualAddress(start)),
        ] {
          #expect(found?.property.isDirty == isDirty, "page \(index)")
          #expect(found?.property.isAccessed == isDirty, "page \(index)")
          #expect(found?.property.access == .read, "page \(index)")
          let count = try found.map { try FrameTable.slot(at: $0.address).count }
          #expect(count == 2, "page \(index)")
        }
      }
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `the property of a page to be copied makes an ordinary page where it is mapped`()
      throws
    {
      let parent = try VmSpace()
      let child = try VmSpace()
      try mapFrame(at: Self.place, in: parent)
      try fork(parent, to: child, 4096)
      let found = try #require(parent.translate(VirtualAddress(Self.place))?.property)
      #expect(found.isCopyOnWrite && !found.with(.read).isCopyOnWrite)
      try mapFrame(at: Self.place + 4096, in: parent, as: found)
      #expect(try state(parent, Self.place + 4096) == [PageAccess.read, false])
      #expect(parent.problems == [])
    }
  }
}
