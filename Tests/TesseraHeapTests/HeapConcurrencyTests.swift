import Foundation
import Scenarios
import SimulatedMachine
import Synchronization
import Tessera
import TestSupport
import Testing

@testable import TesseraHeap

extension OnSimulatedMachine {
  /// Concurrent use of the heap. `swift test --sanitize=thread --filter Concurrency` also detects
  /// accesses that are not ordered.
  @Suite("Concurrent use of the heap") struct HeapConcurrencyTests {
    private static var roundCount: Int {
      let wished = ProcessInfo.processInfo.environment["TESSERA_RANDOM_OPERATIONS"]
      return wished.flatMap { Int($0) }.map { $0 / 200 } ?? 30_000
    }

    /// Places where objects wait to be freed by any processor.
    private static let placeCount = 64

    private final class Places: Sendable {
      private let words: [Word] = (0..<placeCount).map { _ in Word() }
      private final class Word: Sendable { let value = Atomic<UInt>(0) }

      /// Puts the object at `address`, or none, at a place. Returns what was there.
      func exchange(_ address: UInt, at index: Int) -> UInt {
        words[index].value.exchange(address, ordering: .acquiringAndReleasing)
      }
    }

    /// The words of an object: how many bytes it has, and then what follows from its address.
    private static func fill(_ address: UInt, _ byteCount: Int) {
      let words = UnsafeMutablePointer<UInt64>(bitPattern: address)!
      words[0] = UInt64(byteCount)
      for index in 1..<max(1, byteCount / 8) { words[index] = UInt64(address) &* UInt64(index) }
    }

    private static func isIntact(_ address: UInt) -> Bool {
      let words = UnsafeMutablePointer<UInt64>(bitPattern: address)!
      for index in 1..<max(1, Int(words[0]) / 8)
      where words[index] != UInt64(address) &* UInt64(index) { return false }
      return true
    }

    private static func work(
      on places: Places, seed: UInt64, _ problems: borrowing Atomic<Int>
    ) {
      var generator = SplitMix(seed: seed)
      for _ in 0..<roundCount {
        let byteCount = max(8, generator.oneIn(50) ? generator.below(9000) : generator.below(300))
        var address: UInt = 0
        if !generator.oneIn(3), let object = try? unsafe Heap.allocate(byteCount: byteCount) {
          address = UInt(bitPattern: object)
          fill(address, byteCount)
        }
        let other = places.exchange(address, at: generator.below(placeCount))
        guard other != 0 else { continue }
        if !isIntact(other) { problems.add(1, ordering: .relaxed) }
        unsafe Heap.free(UnsafeMutableRawPointer(bitPattern: other)!)
        if generator.oneIn(500) { Heap.trim() }
      }
    }

    @Test(.seeded(5), arguments: [2, 4])
    func `objects that all processors free keep what was written`(processorCount: Int) throws {
      let machine = SimulatedMachine(frameCount: 2048, processorCount: processorCount)
      let places = Places()
      let problems = Atomic<Int>(0)
      let seed = Seed.current
      machine.onEveryProcessor { Self.work(on: places, seed: seed &+ UInt64($0), problems) }
      #expect(problems.load(ordering: .relaxed) == 0)
      for index in 0..<Self.placeCount {
        let object = UnsafeMutableRawPointer(bitPattern: places.exchange(0, at: index))
        if let object { unsafe Heap.free(object) }
      }
      for number in 0..<processorCount {
        asProcessor(number) { while Heap.hasFreedByOthers { Heap.trim() } }
      }
      #expect(Heap.statistics.usedByteCount == 0)
      Heap.checkInvariants { Issue.record("\($0) (frame \($1.rawValue >> 12))") }
      Heap.stop()
      for number in 0..<processorCount { asProcessor(number) { FrameAllocator.drainCache() } }
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    /// One processor allocates, and the other frees all of it: through the owner's list alone.
    @Test func `what one processor allocates another can free`() throws {
      let machine = SimulatedMachine(frameCount: 256, processorCount: 2)
      let ring = Places()
      let problems = Atomic<Int>(0)
      machine.onEveryProcessor { number in
        for round in 0..<Self.roundCount {
          let place = round % Self.placeCount
          var found: UInt = 0
          if number == 0 {
            guard let object = try? unsafe Heap.allocate(byteCount: 64) else {
              problems.add(1, ordering: .relaxed)
              continue
            }
            found = UInt(bitPattern: object)
            Self.fill(found, 64)
            // Waits until the place is empty.
            while true {
              let other = ring.exchange(found, at: place)
              if other == 0 { break }
              found = other
              sched_yield()
            }
          } else {
            while found == 0 {
              found = ring.exchange(0, at: place)
              if found == 0 { sched_yield() }
            }
            if !Self.isIntact(found) { problems.add(1, ordering: .relaxed) }
            unsafe Heap.free(UnsafeMutableRawPointer(bitPattern: found)!)
          }
        }
      }
      #expect(problems.load(ordering: .relaxed) == 0)
      while Heap.hasFreedByOthers { Heap.trim() }
      #expect(Heap.statistics.usedByteCount == 0)
      #expect(Heap.statistics(ofSizeClass: 3).slabCount < 40, "freed objects are used again")
    }
  }
}
