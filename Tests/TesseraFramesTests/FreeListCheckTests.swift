import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

/// Each rule of the free lists is broken once, to see that the checks look at it.
extension OnSimulatedMachine {
  @Suite("Checks of the free lists") struct FreeListCheckTests {
    let machine = SimulatedMachine(frameCount: 64, keptBack: 8)

    /// Four frames that follow each other, of which the first and the third are free blocks of
    /// their own, in one list.
    private func makeList() throws -> (head: FrameSlotReference, tail: FrameSlotReference) {
      let first = try FrameAllocator.allocate(4, FrameRequest(alignment: 4 * 4096))
      FrameAllocator.free(first)
      FrameAllocator.free(first + 2 * 4096)
      FrameAllocator.drainCache()
      #expect(machine.violations == [])
      let slots = (try FrameTable.slot(at: first), try FrameTable.slot(at: first + 2 * 4096))
      return slots.0.freeLinks.previous == nil ? slots : (slots.1, slots.0)
    }

    private func violations() -> [String] {
      var found: [String] = []
      FrameAllocator.checkInvariants { found.append("\($0)") }
      return found
    }

    @Test func `a block that nobody leads to is missed`() throws {
      let (head, _) = try makeList()
      head.freeLinks.next = nil
      #expect(violations() == ["the free blocks have as many frames as the zone counts"])
    }

    @Test func `a link that leads back elsewhere is found`() throws {
      let (_, tail) = try makeList()
      tail.freeLinks.previous = nil
      #expect(violations() == ["a free block links to the one before"])
    }

    @Test func `a block without its mark is found`() throws {
      let (_, tail) = try makeList()
      tail.setKind(.plain)
      #expect(violations() == ["only the first frame of a free block is marked"])
    }

    @Test func `a block whose frame is in use is found`() throws {
      let (_, tail) = try makeList()
      tail.setCount(1)
      #expect(violations() == ["the frames of a free block are free"])
    }

    @Test func `two halves that were not merged are found`() throws {
      let (head, _) = try makeList()
      let buddy = FrameTable.slot(number: FrameTable.number(of: head) ^ 1)
      buddy.setKind(.freeBlock(order: 0))
      #expect(violations() == ["two free blocks that make a larger one are merged"])
    }

    @Test func `a block at an odd place is found`() {
      var zone = BuddyZone(from: 0, to: 64)
      zone.free(1, order: 1)
      var found: [String] = []
      zone.checkInvariants { found.append("\($0)") }
      #expect(found.contains("a free block starts at a multiple of its size"))
    }

    @Test func `a block beyond its zone is found`() {
      var zone = BuddyZone(from: 0, to: 8)
      zone.free(8, order: 0)
      var found: [String] = []
      zone.checkInvariants { found.append("\($0)") }
      #expect(found.contains("a free block lies in its zone"))
    }

    @Test func `a frame in a cache that is not marked is found`() throws {
      let address = try FrameAllocator.allocate()
      FrameAllocator.free(address)
      let slot = try FrameTable.slot(at: address)
      slot.setKind(.plain)
      #expect(violations() == ["a frame in a cache is marked as cached"])
      slot.setKind(.cached)
      slot.setCount(1)
      #expect(violations() == ["a frame in a cache is free"])
    }
  }
}
