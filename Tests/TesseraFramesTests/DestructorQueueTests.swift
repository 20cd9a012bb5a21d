import CTessera
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// Frames whose destructors drop other frames.
  @Suite("Destructor queue") struct DestructorQueueTests {
    let machine = SimulatedMachine(frameCount: 4096)

    init() {
      LinkedMemory.events = []
      LinkedMemory.depth = 0
      LinkedMemory.failures = []
    }

    private func frame(_ name: Int, dropping other: Other = .nothing) throws -> Frame<LinkedMemory>
    {
      try Frame(allocating: LinkedMemory(name, other), .uninitialized)
    }

    private func expectEverythingFreed() {
      #expect(LinkedMemory.failures == [])
      #expect(simulated_current_processor().pointee.interrupts_enabled)
      FrameAllocator.drainCache()
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `a chain of frames is freed one after another, before the drop returns`() throws {
      var first = try frame(0)
      for name in 1..<3000 { first = try frame(name, dropping: .frame(first.relinquish())) }
      let interrupts = simulated_current_processor().pointee.interrupt_disables
      _ = consume first
      #expect(LinkedMemory.events == (0..<3000).reversed().flatMap { [$0, ~$0] })
      // They are on between two destructors.
      #expect(simulated_current_processor().pointee.interrupt_disables >= interrupts + 3000)
      expectEverythingFreed()
    }

    @Test func `each way to drop a frame in a destructor has it wait`() throws {
      let shared = try frame(1)
      let kept = shared.share()
      let unique = try UniqueFrame(allocating: LinkedMemory(3), .uninitialized)
      let segment = try Segment(allocating: 3, .uninitialized) { _ in LinkedMemory(4) }
      let others: [(Other, count: Int)] = [
        (.frame(try frame(2).relinquish()), 1), (.unique(unique.relinquish()), 1),
        (.segment(segment.relinquishFirst().address, 3), 3), (.frame(shared.relinquish()), 0),
      ]
      for (other, count) in others {
        LinkedMemory.events = []
        _ = try frame(9, dropping: other)
        #expect(LinkedMemory.events.prefix(2) == [9, ~9])
        #expect(LinkedMemory.events.count == 2 + 2 * count)
      }
      _ = consume kept
      expectEverythingFreed()
    }

    @Test func `frames that wait may drop more of them`() throws {
      var names = 0
      var last = Other.nothing
      // Three frames, each of which drops three frames, and so on.
      for _ in 0..<4 {
        // The last frame is the first to be destroyed, when others wait already.
        let others = [.nothing, .nothing, last]
        var index = 0
        let segment = try Segment(allocating: 3, .uninitialized) { _ in
          defer { index += 1 }
          return LinkedMemory(10 + index, others[index])
        }
        names += 3
        last = .segment(segment.relinquishFirst().address, 3)
      }
      _ = try frame(9, dropping: last)
      #expect(LinkedMemory.events.count == 2 * (1 + names))
      expectEverythingFreed()
    }

    @Test func `a large frame waits like a small one`() throws {
      let large = try Frame(
        allocating: LinkedMemory(5), FrameRequest(isZeroed: false, size: .twoMiB))
      _ = try frame(6, dropping: .frame(large.relinquish()))
      #expect(LinkedMemory.events == [6, ~6, 5, ~5])
      expectEverythingFreed()
    }

    @Test func `a drop with interrupts off leaves them off`() throws {
      let first = try frame(1, dropping: .frame(try frame(2).relinquish()))
      let interrupts = Processor.disableInterrupts()
      _ = consume first
      #expect(!simulated_current_processor().pointee.interrupts_enabled)
      Processor.restoreInterrupts(interrupts)
      #expect(LinkedMemory.events == [1, ~1, 2, ~2])
      expectEverythingFreed()
    }
  }
}

/// What a frame drops when it is freed.
private enum Other {
  case nothing
  case frame(PhysicalAddress)
  case unique(PhysicalAddress)
  case segment(PhysicalAddress, Int)
}

/// Metadata that holds the reference of other frames.
private struct LinkedMemory: UntypedFrameMetadata {
  static var destructor: FrameMetadataDestructor { { unsafe LinkedMemory.destroy(at: $0) } }

  /// The names of the frames whose destructors have begun and, inverted, ended.
  ///
  /// Access: single-threaded, by the test only, as the others.
  nonisolated(unsafe) static var events: [Int] = []
  nonisolated(unsafe) static var depth = 0
  nonisolated(unsafe) static var failures: [String] = []

  private let name: Int
  private let other: Other

  init(_ name: Int, _ other: Other = .nothing) {
    self.name = name
    self.other = other
  }

  mutating func onDrop(_ contents: FrameContents) {
    Self.events.append(name)
    Self.depth += 1
    if Self.depth > 1 { Self.failures.append("a destructor was called by another") }
    if simulated_current_processor().pointee.interrupts_enabled {
      Self.failures.append("interrupts are on in a destructor")
    }
    drop()
    Self.depth -= 1
    Self.events.append(~name)
  }

  private func drop() {
    switch other {
    case .nothing: break
    case .frame(let address): _ = unsafe Frame<LinkedMemory>(adopting: address)
    case .unique(let address): _ = unsafe UniqueFrame<LinkedMemory>(adopting: address)
    case .segment(let address, let count):
      let first = FrameTable.slot(number: address.frameNumber)
      _ = unsafe Segment<LinkedMemory>(adopting: first, frameCount: count)
    }
  }
}
