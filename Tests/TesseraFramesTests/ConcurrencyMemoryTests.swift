import Foundation
import Scenarios
import SimulatedMachine
import Synchronization
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

extension OnSimulatedMachine.ConcurrencyTests {
  /// Concurrent use of memory that has one owner at a time.
  @Suite("Concurrent use of memory") struct ConcurrencyMemoryTests {
    private static let rounds = Seed.rounds(8_000, ofRange: 200)

    private func expectNothingLost(_ machine: SimulatedMachine) {
      for processor in 0..<machine.processorCount {
        asProcessor(processor) { FrameAllocator.drainCache() }
      }
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test(.seeded(0), arguments: [2, 4])
    func `memory allocated and freed on different processors has one owner at a time`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(frameCount: 128, reserved: 1, processorCount: processorCount)
      let mailbox = Mailbox()
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor) << 32)
        for round in 0..<Self.rounds {
          let mark = UInt64(processor + 1) << 32 | UInt64(round)
          if let frame = try? Frame(allocating: PlainMemory()) {
            #expect(Stamp.read(frame) == 0)
            Stamp.write(mark, to: frame)
            #expect(Stamp.read(frame) == mark)
            let address = frame.relinquish().rawValue
            mailbox.exchange(address, at: random.below(Mailbox.count)).map(Self.verify)
          }
          if random.oneIn(3) {
            mailbox.exchange(0, at: random.below(Mailbox.count)).map(Self.verify)
          }
        }
      }
      for place in 0..<Mailbox.count { mailbox.exchange(0, at: place).map(Self.verify) }
      expectNothingLost(machine)
    }

    /// Drops the reference to the frame at `address` that was passed with it.
    private static func verify(_ address: UInt64) {
      let frame = unsafe Frame<PlainMemory>(adopting: PhysicalAddress(address))
      #expect(Stamp.read(frame) != 0)
      Stamp.write(0, to: frame)
    }

    @Test(.seeded(0), arguments: [2, 4])
    func `a frame claimed by address is not allocated as well`(processorCount: Int) {
      let machine = SimulatedMachine(frameCount: 48, processorCount: processorCount)
      let claimCount = Atomic<Int>(0)
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor + 100) << 32)
        for round in 0..<Self.rounds {
          let mark = UInt64(processor + 1) << 32 | UInt64(round)
          let address = PhysicalAddress(UInt64(random.below(47)) << 12)
          let frame: Frame<PlainMemory>?
          if random.oneIn(2) {
            frame = try? Frame(claiming: address, metadata: PlainMemory())
            if frame != nil { claimCount.wrappingAdd(1, ordering: .relaxed) }
          } else {
            frame = try? Frame(allocating: PlainMemory(), .uninitialized)
          }
          if let frame {
            Stamp.write(mark, to: frame)
            if random.oneIn(8) { FrameAllocator.drainCache() }
            Self.claimPair(address, mark)
            #expect(Stamp.read(frame) == mark)
          }
        }
      }
      #expect(claimCount.load(ordering: .relaxed) > 0)
      expectNothingLost(machine)
    }

    @Test(.seeded(0), arguments: [2, 4])
    func `no more frames are free than there are, while other processors allocate`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(frameCount: 256, reserved: 1, processorCount: processorCount)
      let mailbox = Mailbox()
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor + 300) << 32)
        for _ in 0..<Self.rounds {
          if processor == 0 {
            let now = FrameAllocator.statistics
            #expect(now.managedFrameCount == 255)
            #expect(now.freeFrameCount + now.cachedFrameCount <= 255)
            #expect(now.usedFrameCount <= 255)
          } else if let frame = try? Frame(allocating: PlainMemory()) {
            Stamp.write(1, to: frame)
            let address = frame.relinquish().rawValue
            mailbox.exchange(address, at: random.below(Mailbox.count)).map(Self.verify)
          }
        }
      }
      for place in 0..<Mailbox.count { mailbox.exchange(0, at: place).map(Self.verify) }
      expectNothingLost(machine)
    }

    @Test(.seeded(0), arguments: [2, 4])
    func `runs are split and merged without overlapping`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(frameCount: 96, processorCount: processorCount)
      let seed = Seed.current
      machine.onEveryProcessor { processor in
        var random = SplitMix(seed: seed ^ UInt64(processor + 200) << 32)
        for round in 0..<Self.rounds / 2 {
          let mark = UInt64(processor + 1) << 32 | UInt64(round)
          let count = 1 + random.below(7)
          if random.oneIn(2) {
            Self.useSegment(of: count, mark)
          } else if let address = try? FrameAllocator.allocate(count, .uninitialized) {
            Self.useRaw(address, count, mark)
          }
        }
      }
      expectNothingLost(machine)
    }

    /// Claims the two frames at `address`, if both can be claimed.
    private static func claimPair(_ address: PhysicalAddress, _ mark: UInt64) {
      do throws(TesseraError) {
        let pair = try Segment(claiming: address..<address + 8192) { _ in PlainMemory() }
        Stamp.write(mark, to: pair)
        #expect(Stamp.read(pair) == mark)
      } catch {
        #expect(error != .outOfBounds)
      }
    }

    /// Claims `count` frames at `address`, which are the caller's raw allocation.
    private static func useRaw(_ address: PhysicalAddress, _ count: Int, _ mark: UInt64) {
      do throws(TesseraError) {
        let end = address + UInt64(count) * 4096
        let segment = try Segment(claiming: address..<end) { _ in PlainMemory() }
        Stamp.write(mark, to: segment)
        #expect(Stamp.read(segment) == mark)
      } catch {
        Issue.record("the owner of a raw allocation failed to claim it: \(error)")
      }
    }

    private static func useSegment(of count: Int, _ mark: UInt64) {
      guard let segment = try? Segment(allocating: count, metadata: { _ in PlainMemory() }) else {
        return
      }
      #expect(Stamp.read(segment) == 0)
      Stamp.write(mark, to: segment)
      let last = segment.slice(UInt64(count - 1) * 4096..<UInt64(count) * 4096)
      #expect(Stamp.read(segment) == mark)
      _ = consume segment
      #expect(last.frameCount == 1)
    }

    @Test(arguments: [2, 4])
    func `a list moves between processors`(processorCount: Int) {
      let machine = SimulatedMachine(frameCount: 64, processorCount: processorCount)
      let calls = DropStatistics.callCount
      let shelf = Shelf()
      let madeCount = Atomic<UInt64>(0)
      machine.onEveryProcessor { processor in
        for round in 0..<Self.rounds {
          shelf.withList { list in
            if (processor + round) % 3 == 0 {
              _ = list.popFront()
            } else if let frame = try? UniqueFrame(allocating: TracedObject(1), .uninitialized) {
              madeCount.wrappingAdd(1, ordering: .relaxed)
              list.pushBack(frame)
            }
            if round % 16 == 0 { list.checkInvariants { Issue.record("\($0)") } }
          }
        }
      }
      shelf.withList { list in
        while list.popBack() != nil { continue }
      }
      #expect(DropStatistics.callCount - calls == madeCount.load(ordering: .relaxed))
      expectNothingLost(machine)
    }
  }
}

/// A list that processors use alternately.
private final class Shelf: @unchecked Sendable {
  private let lock = SpinLock()
  private var list = FrameList<TracedObject>()

  func withList(_ body: (inout FrameList<TracedObject>) -> Void) {
    let interrupts = lock.lock()
    body(&list)
    lock.unlock(interrupts)
  }
}
