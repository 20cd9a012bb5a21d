import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

/// Violates each invariant of the free lists once, to verify that it is checked.
extension OnSimulatedMachine {
  @Suite("Invariants of the free lists") struct FreeListCheckTests {
    let machine = SimulatedMachine(frameCount: 64, reserved: 8)

    /// Allocates four contiguous frames and frees the first and the third, which are then two
    /// blocks in one list.
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

    @Test func `a block missing from its list is reported`() throws {
      let (head, _) = try makeList()
      head.freeLinks.next = nil
      #expect(violations() == ["free frame count does not match the free blocks"])
    }

    @Test func `a wrong link to the predecessor is reported`() throws {
      let (_, tail) = try makeList()
      tail.freeLinks.previous = nil
      #expect(violations() == ["free block does not link to its predecessor"])
    }

    @Test func `a block whose first frame has the wrong kind is reported`() throws {
      let (_, tail) = try makeList()
      tail.setKind(.plain)
      #expect(violations() == ["frame of a free block has the wrong kind"])
    }

    @Test func `a block with a frame in use is reported`() throws {
      let (_, tail) = try makeList()
      tail.setCount(1)
      #expect(violations() == ["frame of a free block is not free"])
    }

    @Test func `two free buddies that are not merged are reported`() throws {
      let (head, _) = try makeList()
      let buddy = FrameTable.slot(number: FrameTable.number(of: head) ^ 1)
      buddy.setKind(.freeBlock(order: 0))
      #expect(violations() == ["two free buddies are not merged"])
    }

    /// The orders that are not empty lie after the bounds, the count and the 31 lists.
    @Test func `an order whose bit is wrong is reported`() {
      var zone = BuddyZone(from: 0, to: 8)
      withUnsafeMutablePointer(to: &zone) {
        UnsafeMutableRawPointer($0).storeBytes(of: 1 << 5, toByteOffset: 34 * 8, as: UInt32.self)
      }
      #expect(zone.nonEmptyOrders == 1 << 5)
      var found: [String] = []
      zone.checkInvariants { found.append("\($0)") }
      #expect(found == ["bit of an order does not match its list"])
    }

    @Test func `a misaligned block is reported`() {
      var zone = BuddyZone(from: 0, to: 64)
      zone.free(1, order: 1)
      var found: [String] = []
      zone.checkInvariants { found.append("\($0)") }
      #expect(found.contains("free block is not aligned to its size"))
    }

    @Test func `a block outside its zone is reported`() {
      var zone = BuddyZone(from: 0, to: 8)
      zone.free(8, order: 0)
      var found: [String] = []
      zone.checkInvariants { found.append("\($0)") }
      #expect(found.contains("free block lies outside its zone"))
    }

    @Test func `a cached frame of the wrong kind or count is reported`() throws {
      let address = try FrameAllocator.allocate()
      FrameAllocator.free(address)
      let slot = try FrameTable.slot(at: address)
      slot.setKind(.plain)
      #expect(violations() == ["frame in a cache does not have the kind of one"])
      slot.setKind(.cached)
      slot.setCount(1)
      #expect(violations() == ["frame in a cache is not free"])
    }
  }
}
