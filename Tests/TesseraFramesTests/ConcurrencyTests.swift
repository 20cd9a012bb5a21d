import Foundation
import Scenarios
import SimulatedMachine
import Synchronization
import TesseraFrames
import TesseraHardware
import Testing

/// Concurrent use of frames. `swift test --sanitize=thread --filter Concurrency` also detects
/// accesses that are not ordered.
extension OnSimulatedMachine {
  @Suite("Concurrency") struct ConcurrencyTests {
    /// The number of rounds of each processor.
    private static let rounds = 12_000

    private func expectNothingLost(_ machine: SimulatedMachine) {
      for processor in 0..<machine.processorCount {
        asProcessor(processor) { FrameAllocator.drainCache() }
      }
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test(arguments: [2, 4])
    func `handles shared and dropped by all processors keep their count`(
      processorCount: Int
    ) throws {
      let machine = SimulatedMachine(frameCount: 16, processorCount: processorCount)
      let calls = DropStatistics.callCount
      let owner = try Segment(allocating: 2) { TracedObject($0.rawValue) }
      let start = owner.address
      machine.onEveryProcessor { _ in
        for round in 0..<Self.rounds {
          let address = start + UInt64(round % 2) * 4096
          guard let frame = try? AnyFrame(sharing: address) else {
            Issue.record("failed to share a frame that has an owner")
            return
          }
          // Without anything between them, so that the processors meet at the count.
          for _ in 0..<8 {
            let second = frame.share()
            _ = second.share()
          }
          let value = frame.withMetadata(as: TracedObject.self) { $0.value }
          if value != address.rawValue { Issue.record("an owner read other metadata") }
          _ = frame.erasedTwice()
        }
      }
      for index in 0..<2 {
        #expect(FrameTable.slot(number: start.frameNumber + UInt64(index)).count == 1)
      }
      _ = consume owner
      #expect(DropStatistics.callCount == calls + 2)
      expectNothingLost(machine)
    }

    @Test(arguments: [2, 4])
    func `a count that all processors change at its maximum stays there`(
      processorCount: Int
    ) throws {
      let machine = SimulatedMachine(frameCount: 16, processorCount: processorCount)
      let slot = FrameTable.slot(
        number: try Frame(allocating: PlainMemory()).relinquish().frameNumber)
      slot.setCount(ReferenceCount.maximum)
      machine.onEveryProcessor { number in
        for round in 0..<Self.rounds {
          if (round + number) % 2 == 0 {
            slot.share()
          } else if slot.drop() {
            Issue.record("a saturated frame was left without an owner")
          }
        }
      }
      #expect(slot.count == ReferenceCount.maximum)
    }

    /// Each owner writes a word of the frame and drops its reference. The last one gets the frame
    /// next and writes all words; only the count orders it after the others.
    @Test func `the last owner is ordered after the writes of the others`() {
      let machine = SimulatedMachine(frameCount: 512, processorCount: 2)
      let meeting = Meeting(of: 2)
      let place = Atomic<UInt64>(0)
      let reuseCount = Atomic<Int>(0)
      machine.onEveryProcessor { processor in
        for _ in 0..<Self.rounds / 3 {
          var frame: AnyFrame?
          if processor == 0 {
            frame = (try? Frame(allocating: PlainMemory(), .uninitialized))?.erased()
            place.store(frame?.address.rawValue ?? 0, ordering: .relaxed)
          }
          meeting.wait()
          let address = PhysicalAddress(place.load(ordering: .relaxed))
          if processor == 1 { frame = try? AnyFrame(sharing: address) }
          meeting.wait()
          guard frame != nil else {
            Issue.record("two owners have the frame")
            continue
          }
          let words = unsafe PhysicalMemory.pointer(to: address)
            .assumingMemoryBound(to: UInt64.self)
          unsafe words[processor] = UInt64(processor)
          _ = frame.take()
          guard let next = try? Frame(allocating: PlainMemory(), .uninitialized) else { continue }
          if next.address == address {
            for index in 0..<2 { unsafe words[index] = 7 }
            reuseCount.wrappingAdd(1, ordering: .relaxed)
          }
        }
      }
      #expect(reuseCount.load(ordering: .relaxed) > 0)
      expectNothingLost(machine)
    }

    @Test(arguments: [2, 4])
    func `of concurrent claims of a frame one succeeds`(processorCount: Int) {
      let machine = SimulatedMachine(frameCount: 16, reserved: 4, processorCount: processorCount)
      let calls = DropStatistics.callCount
      let meeting = Meeting(of: processorCount)
      let winnerCount = Atomic<Int>(0)
      let rounds = Self.rounds / 3
      machine.onEveryProcessor { _ in
        for round in 0..<rounds {
          let address = PhysicalAddress(UInt64(round % 4) << 12)
          meeting.wait()
          do throws(TesseraError) {
            let frame = try Frame(claiming: address, metadata: TracedObject(1))
            winnerCount.wrappingAdd(1, ordering: .relaxed)
            meeting.wait()
            _ = consume frame
          } catch {
            #expect(error == .inUse || error == .inTransition)
            meeting.wait()
          }
        }
      }
      #expect(winnerCount.load(ordering: .relaxed) == rounds)
      #expect(DropStatistics.callCount == calls + UInt64(rounds))
      expectNothingLost(machine)
    }

    @Test(arguments: [2, 4])
    func `sharing a frame by address while its owner drops it yields a valid frame or an error`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(frameCount: 512, processorCount: processorCount)
      let calls = DropStatistics.callCount
      let meeting = Meeting(of: processorCount)
      let published = Atomic<UInt64>(0)
      let sharedCount = Atomic<Int>(0)
      machine.onEveryProcessor { processor in
        for round in 0..<Self.rounds / 3 {
          if processor == 0 {
            do throws(TesseraError) {
              let frame = try Frame(allocating: TracedObject(UInt64(round)))
              published.store(frame.address.rawValue, ordering: .releasing)
              meeting.wait()
              _ = consume frame
            } catch {
              // There are more frames than the other processors can keep for themselves.
              Issue.record("memory ran out")
              meeting.wait()
            }
          } else {
            meeting.wait()
            let address = PhysicalAddress(published.load(ordering: .acquiring))
            do throws(TesseraError) {
              let frame = try AnyFrame(sharing: address)
              #expect(frame.withMetadata(as: TracedObject.self) { $0.value } == UInt64(round))
              sharedCount.wrappingAdd(1, ordering: .relaxed)
            } catch {
              #expect(error == .inTransition || error == .unused)
            }
          }
          meeting.wait()
        }
      }
      #expect(DropStatistics.callCount == calls + UInt64(Self.rounds / 3))
      expectNothingLost(machine)
    }

    @Test(arguments: [2, 4])
    func `a frame that changes between unique and shared has one writer at a time`(
      processorCount: Int
    ) {
      let machine = SimulatedMachine(frameCount: 16, reserved: 2, processorCount: processorCount)
      let address = machine.address(1)
      let before = Journal.dropped
      let changeCount = Atomic<UInt64>(0)
      machine.onEveryProcessor { _ in
        for _ in 0..<Self.rounds {
          guard let frame = Self.shareOrClaim(address) else { continue }
          switch frame.unique() {
          case .unchanged(let frame): #expect(frame.metadata.isWhole)
          case .converted(var unique):
            unique.metadata.change()
            changeCount.wrappingAdd(1, ordering: .relaxed)
            let shared = unique.shared()
            #expect(shared.share().metadata.isWhole)
          }
        }
      }
      let changes = changeCount.load(ordering: .relaxed)
      #expect(changes > 0)
      #expect(Journal.dropped - before == changes)
      expectNothingLost(machine)
    }

    /// Shares the frame at `address`, or claims it if it has no owner.
    private static func shareOrClaim(_ address: PhysicalAddress) -> Frame<Journal>? {
      if let frame = try? AnyFrame(sharing: address) {
        let isKnown = frame.withMetadata(as: Journal.self) { _ in true } ?? false
        if !isKnown { Issue.record("a new owner read other metadata than the first owner's") }
        return frame.typed(as: Journal.self).get()
      }
      return try? Frame(claiming: address, metadata: Journal())
    }
  }
}

/// Metadata that counts its changes twice, and adds them to the sum when it is dropped.
private struct Journal: FrameMetadata {
  private var first: UInt64 = 0
  private var second: UInt64 = 0

  private static let sum = Atomic<UInt64>(0)

  static var destructor: FrameMetadataDestructor { { unsafe Journal.destroy(at: $0) } }

  /// The number of changes of all dropped journals.
  static var dropped: UInt64 { sum.load(ordering: .relaxed) }

  var isWhole: Bool { first == second }

  mutating func change() {
    first += 1
    second += 1
  }

  mutating func onDrop(_ contents: FrameContents) {
    Self.sum.wrappingAdd(isWhole ? first : .max / 2, ordering: .relaxed)
  }
}

extension Frame where Metadata == AnyMetadata {
  /// The handle after an unsuccessful conversion.
  fileprivate consuming func erasedTwice() -> AnyFrame {
    switch typed(as: TracedMemory.self) {
    case .converted(let frame): frame.erased()
    case .unchanged(let frame): frame
    }
  }
}
