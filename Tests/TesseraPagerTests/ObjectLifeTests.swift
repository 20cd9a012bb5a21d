import SimulatedMachine
import Synchronization
import Tessera
import TesseraFrames
import TestSupport
import Testing

@testable import TesseraPageTables
@testable import TesseraPager
@testable import TesseraSpaces

extension OnSimulatedMachine {
  /// Spaces, families, attachments, objects and slots: when they go, and what goes with them.
  @Suite("Lives of what is paged") struct ObjectLifeTests {
    let machine: SimulatedMachine
    static let place: UInt64 = 1 << 30
    private static var shared: PageProperty { .userReadWrite.with(isShared: true) }

    init() throws {
      machine = SimulatedMachine(frameCount: 600, processorCount: 2)
      try machine.startKernelSpace()
      _ = machine.mmu
    }

    private func address(_ page: UInt64) -> UInt64 { Self.place + page * 4096 }

    private func hasObject(_ number: UInt32) -> Bool {
      guard let object = MemoryObjects.acquire(number) else { return false }
      MemoryObjects.release(object)
      return true
    }

    private func rootNumbers(of family: Record<SpaceFamily>) -> [UInt64] {
      var found: [UInt64] = []
      SpaceFamilies.forEachRoot(of: family) { root in
        found.append(root.address.rawValue)
      }
      return found
    }

    @Test func `an object lives until its last handle and its last attachment are gone`() throws {
      try machine.withPager { space, program in
        let file = TestStore()
        file.setPage(1, to: 11)
        let number: UInt32
        let other = try VmSpace()
        do {
          try other.startPaging()
          let object = try MemoryObject(byteCount: 8 * 4096, store: file.pageStore)
          number = object.number
          let again = object.share()
          #expect(again.number == number && again.byteCount == 8 * 4096)
          try other.map(again, at: bytes(Self.place, 8 * 4096), as: Self.shared)
        }
        try program.expect(11, at: address(1), in: other)
        #expect(hasObject(number))
        let child = try other.fork()
        VmSpace.deactivate()
        _ = consume other
        #expect(hasObject(number), "the child maps it")
        try program.expect(11, at: address(1), in: child)
        VmSpace.deactivate()
        _ = consume child
        #expect(!hasObject(number))
        #expect(Pager.usage().objects.resident == 0)
        #expect(try MemoryObject(byteCount: 4096).number == number, "numbers are used again")
      }
    }

    @Test func `an object without attachments goes with its last handle, and its slots`() throws {
      try machine.withPager { space, program in
        for _ in 0..<3 {
          let memory = try MemoryObject(byteCount: 30 * 4096)
          for page in 0..<30 as Range<UInt64> {
            #expect(memory.write(page, toPage: page).isResolved)
          }
          #expect(Pager.reclaim(12).freed == 12)
          #expect(Pager.swapUsage.used == 12)
          #expect(memory.usage().swapped == 12 && memory.usage().resident == 18)
          _ = consume memory
          #expect(Pager.swapUsage.used == 0)
          #expect(Pager.usage().objects.resident == 0)
        }
      }
    }

    @Test func `unmapping pages that are in swap gives their slots back`() throws {
      try machine.withPager { space, program in
        try space.reserve(20, at: address(0))
        for page in 0..<20 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        #expect(Pager.reclaim(20).freed == 20)
        let child = try space.fork()
        try space.unmap(5, at: address(3))
        #expect(Pager.swapUsage.used == 20, "the child has them")
        try child.unmap(5, at: address(3))
        #expect(Pager.swapUsage.used == 15)
        try space.reserve(2, at: address(3))
        try program.expect(0, at: address(3), in: space)
        try program.expect(nil, at: address(3), in: child)
        try program.expect(9, at: address(8), in: child)
        VmSpace.deactivate()
        _ = consume child
        #expect(Pager.swapUsage.used == 15)
        try program.expect(9, at: address(8), in: space)
        #expect(Pager.swapUsage.used == 14)
      }
    }

    @Test func `truncating memory in swap gives its slots back, and zeros afterwards`() throws {
      try machine.withPager { space, program in
        let memory = try MemoryObject(byteCount: 20 * 4096)
        try space.map(memory, at: bytes(Self.place, 20 * 4096), as: Self.shared)
        for page in 0..<20 as Range<UInt64> {
          try program.write(page + 1, at: address(page), in: space)
        }
        Pager.reclaim(10)
        for page in 0..<20 as Range<UInt64> where page % 3 == 0 {
          try program.expect(page + 1, at: address(page), in: space)
        }
        try memory.resize(to: 4 * 4096)
        #expect(memory.usage().resident + memory.usage().swapped == 4)
        #expect(UInt64(Pager.swapUsage.used) == memory.usage().swapped)
        for page in 4..<20 as Range<UInt64> {
          try program.expect(nil, at: address(page), in: space)
        }
        try memory.resize(to: 20 * 4096)
        for page in 0..<20 as Range<UInt64> {
          let expected = page < 4 ? page + 1 : 0
          try program.expect(expected, at: address(page), in: space)
        }
      }
    }

    @Test func `pages behind the end are denied, also of an object that never had them`() throws {
      try machine.withPager { space, program in
        let memory = try MemoryObject(byteCount: 2 * 4096, capacity: 8 * 4096)
        try space.map(memory, at: bytes(Self.place, 8 * 4096), as: Self.shared)
        for page in 0..<8 as Range<UInt64> {
          try program.expect(page < 2 ? 0 : nil, at: address(page), in: space)
        }
        try memory.resize(to: 5 * 4096)
        for page in 0..<8 as Range<UInt64> {
          try program.expect(page < 5 ? 0 : nil, at: address(page), in: space)
        }
      }
    }

    @Test func `an object that became shorter keeps the room to become longer`() throws {
      try machine.withPager { space, program in
        let first = try MemoryObject(byteCount: 16 * 4096)
        try space.map(first, at: bytes(Self.place, 16 * 4096), as: Self.shared)
        try program.write(1, at: address(12), in: space)
        try first.resize(to: 4096)
        let second = try MemoryObject(byteCount: 8 * 4096)
        for page in 0..<8 as Range<UInt64> {
          #expect(second.write(page + 100, toPage: page).isResolved)
        }
        try first.resize(to: 16 * 4096)
        for page in 1..<16 as Range<UInt64> {
          try program.expect(0, at: address(page), in: space)
          try program.write(page + 200, at: address(page), in: space)
        }
        try space.map(second, at: bytes(address(20), 8 * 4096), as: Self.shared)
        for page in 0..<8 as Range<UInt64> {
          try program.expect(page + 100, at: address(page + 20), in: space)
        }
      }
    }

    @Test func `children that are added while a family is visited are visited`() throws {
      try machine.withPager { space, _ in
        let number = UInt32(truncatingIfNeeded: space.pagerNumber)
        let family = try #require(SpaceFamilies.acquire(number))
        let child = try VmSpace()
        var found: [UInt64] = []
        SpaceFamilies.forEachRoot(of: family) { root in
          found.append(root.address.rawValue)
          if found.count == 1 { #expect(SpaceFamilies.addChild(child.root, of: root)) }
        }
        #expect(found == [space.rootAddress.rawValue, child.rootAddress.rawValue])
        #expect(rootNumbers(of: family) == found)
        SpaceFamilies.release(family)
      }
    }

    @Test func `a visit goes on behind a space that leaves`() throws {
      try machine.withPager { space, _ in
        let number = UInt32(truncatingIfNeeded: space.pagerNumber)
        let family = try #require(SpaceFamilies.acquire(number))
        var second: VmSpace? = try space.fork()
        let third = try space.fork()
        var found: [UInt64] = []
        SpaceFamilies.forEachRoot(of: family) { root in
          found.append(root.address.rawValue)
          if found.count == 1 { second = nil }
        }
        let isGone = second == nil
        #expect(isGone)
        #expect(found == [space.rootAddress.rawValue, third.rootAddress.rawValue])
        #expect(rootNumbers(of: family) == found)
        SpaceFamilies.release(family)
      }
    }

    @Test func `a space does not leave while it is visited`() throws {
      try machine.startProcessors()
      try machine.withPager { space, _ in
        let number = UInt32(truncatingIfNeeded: space.pagerNumber)
        let family = try #require(SpaceFamilies.acquire(number))
        let visit = Visit(family, try space.fork())
        machine.onProcessors([0, 1]) { processor in
          if processor == 1 {
            while !visit.isInside.isSet { Processor.pause() }
            visit.child = nil
            visit.isGone.set()
            return
          }
          SpaceFamilies.forEachRoot(of: visit.family) { root in
            guard root.address == visit.childRoot else { return }
            visit.isInside.set()
            while !visit.isChildLeaving && !visit.isGone.isSet { Processor.pause() }
            // Long enough for the other to get out if it could.
            let end = ContinuousClock.now + .milliseconds(30)
            while ContinuousClock.now < end { Processor.pause() }
            let isGone = visit.isGone.isSet
            #expect(!isGone, "it has left while it was visited")
          }
        }
        #expect(visit.isGone.isSet)
        #expect(rootNumbers(of: family) == [space.rootAddress.rawValue])
        SpaceFamilies.release(family)
      }
    }
  }
}

/// What two processors do with a family, one of whose spaces leaves.
private final class Visit: @unchecked Sendable {
  let family: Record<SpaceFamily>
  /// Access: by one processor, once both run.
  var child: VmSpace?
  let childRoot: PhysicalAddress
  let isInside = Flag()
  let isGone = Flag()

  /// Whether the child has begun to leave, and is still there.
  var isChildLeaving: Bool {
    PagerLock.held {
      var next = family.value.first
      while let member = next, member.value.root.address != childRoot { next = member.value.next }
      return next?.value.isLeaving == true
    }
  }

  init(_ family: Record<SpaceFamily>, _ child: consuming VmSpace) {
    self.family = family
    childRoot = child.rootAddress
    self.child = consume child
  }
}

/// A flag that one thread sets and another waits for.
private final class Flag: Sendable {
  private let value = Atomic<Bool>(false)

  var isSet: Bool { value.load(ordering: .acquiring) }

  func set() { value.store(true, ordering: .releasing) }
}
