import SimulatedMachine
import Tessera
import TestSupport
import Testing

@testable import TesseraHeap

extension OnSimulatedMachine {
  /// Violates each invariant of the slabs once, to verify that it is checked.
  @Suite("Invariants of the heap") struct HeapInvariantTests {
    let machine = SimulatedMachine(frameCount: 32, reserved: 2, processorCount: 2)
    /// The slab of an object of 1,024 bytes, which is the current one; and of another.
    let current, other: FrameSlotReference

    init() throws {
      let objects = try (0..<5).map { _ in try unsafe Heap.allocate(byteCount: 1024) }
      unsafe Heap.free(objects[1])
      let base = PhysicalMemory.directMapBase
      let slots = objects.map {
        FrameTable.slot(number: UInt64(UInt(bitPattern: $0) &- base) >> 12)
      }
      (other, current) = (slots[0], slots[4])
    }

    private var violations: [String] {
      var found: [String] = []
      Heap.checkInvariants { text, _ in found.append("\(text)") }
      return found
    }

    @Test func `a heap that is used has no violations`() { #expect(violations == []) }

    @Test func `a slab that is not counted is reported`() throws {
      let slab = try UniqueFrame(allocating: Slab(), .uninitialized)
      slab.slot.setSlabPlace(SlabPlace(owner: 0, sizeClass: 20))
      #expect(violations == ["the number of slabs is not what is counted"])
    }

    @Test func `a slab of no class or of a processor without a heap is reported`() {
      let place = other.slabPlace
      for wrong in [SlabPlace(owner: 0, sizeClass: 23), SlabPlace(owner: 1, sizeClass: 20)] {
        other.setSlabPlace(wrong)
        #expect(violations == ["a slab has no class or no owner"])
      }
      other.setSlabPlace(place)
      #expect(violations == [])
    }

    @Test func `a free object behind the end is reported`() {
      let bits = other.freeBits(ofGroup: 0)
      other.setFreeBits(bits | 1 << 4, ofGroup: 0)
      #expect(violations == ["an object behind the end of a slab is free"])
      other.setFreeBits(bits, ofGroup: 0)
      other.setFreeBits(1, ofGroup: 1)
      #expect(violations == ["an object behind the end of a slab is free"])
    }

    @Test func `a current slab in the list is reported`() {
      current.deferredLink = nil
      #expect(violations == ["the current slab is in the list"])
    }

    @Test func `a slab that is in the list against its bits is reported`() {
      let bits = other.freeBits(ofGroup: 0)
      other.setFreeBits(0, ofGroup: 0)
      #expect(violations == ["a slab is in the list, or not, against its free objects"])
      other.setFreeBits(bits, ofGroup: 0)
      _ = other.removeDeferredLink()
      #expect(violations == ["a slab is in the list, or not, against its free objects"])
    }

    @Test func `a list that leads to a slab of another is reported`() {
      other.setSlabPlace(other.slabPlace.linked(to: current))
      #expect(violations == ["a slab is followed by one of another list"])
    }
  }
}
