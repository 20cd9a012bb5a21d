import Scenarios
import SimulatedMachine
import Synchronization
import Tessera
import Testing

@testable import TesseraHeap

/// A value that counts itself.
private struct Counted: ~Copyable {
  static let liveCount = Atomic<Int>(0)
  var words: (UInt64, UInt64, UInt64)

  init(_ number: UInt64) {
    words = (number, number &* 3, number &* 7)
    Self.liveCount.add(1, ordering: .relaxed)
  }

  var isIntact: Bool { words.1 == words.0 &* 3 && words.2 == words.0 &* 7 }

  deinit { Self.liveCount.subtract(1, ordering: .relaxed) }
}

extension OnSimulatedMachine {
  @Suite("Values in the heap") struct HeapBoxTests {
    let machine = SimulatedMachine(frameCount: 16)

    private var liveCount: Int { Counted.liveCount.load(ordering: .relaxed) }
    private var usedCount: UInt64 { Heap.statistics(ofSizeClass: 1).usedCount }

    @Test func `a value lives as long as its box`() throws {
      do {
        var box = try HeapBox(Counted(5))
        #expect(box.value.words.0 == 5 && usedCount == 1 && liveCount == 1)
        box.value.words.0 = 6
        let isIntact = box.value.isIntact
        #expect(!isIntact)
        // SAFETY: the value is adopted once.
        let again = unsafe HeapBox(adopting: box.relinquish())
        #expect(again.value.words.0 == 6 && liveCount == 1)
      }
      #expect(usedCount == 0 && liveCount == 0)
    }

    @Test func `a box that cannot be made destroys its value`() throws {
      machine.failAllocation(1)
      #expect(throws: TesseraError.outOfFrames) { _ = try HeapBox(Counted(5)) }
      machine.failAllocation(0)
      #expect(liveCount == 0)
    }

    @Test func `what is reserved can be taken without memory, and the rest is freed`() throws {
      do {
        var reservation = try HeapReservation<Counted>(count: 200)
        #expect(reservation.count == 200 && usedCount == 200 && liveCount == 0)
        machine.failAllocation(1)
        var boxes = 0
        for number in 0..<150 as Range<UInt64> {
          let box = reservation.take(Counted(number))
          let isIntact = box.value.isIntact
          if isIntact && liveCount == 1 { boxes += 1 }
        }
        machine.failAllocation(0)
        #expect(boxes == 150 && reservation.count == 50 && usedCount == 50)
      }
      #expect(usedCount == 0 && liveCount == 0)
      #expect(try HeapReservation<Counted>(count: 0).count == 0)
    }

    @Test func `a reservation that fails has taken nothing`() throws {
      for ordinal in 1...4 {
        machine.failAllocation(ordinal)
        #expect(throws: TesseraError.outOfFrames) {
          _ = try HeapReservation<Counted>(count: 128 * 3)
        }
        machine.failAllocation(0)
        #expect(usedCount == 0)
        Heap.stop()
      }
    }

    @Test func `taking more than is reserved panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 16)
        var reservation = try HeapReservation<Counted>(count: 1)
        _ = reservation.take(Counted(1))
        _ = reservation.take(Counted(2))
      }
      try expectPanic(in: result, "a reservation of the heap is used up")
    }
  }
}
