import SimulatedMachine
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  @Suite("Reference counts") struct ReferenceCountTests {
    let machine = SimulatedMachine(frameCount: 16, reserved: 4)

    /// Allocates a frame and sets its count to `count`.
    private func frame(withCount count: UInt64) throws -> Frame<PlainMemory> {
      let frame = try Frame(allocating: PlainMemory())
      frame.slot.setCount(count)
      return frame
    }

    @Test(arguments: [2, 1] as [UInt64])
    func `a count just below the maximum is still exact`(distance: UInt64) throws {
      let frame = try frame(withCount: ReferenceCount.maximum - distance)
      let saturated = FrameTable.saturatedFrameCount
      let second = frame.share()
      #expect(second.referenceCount == ReferenceCount.maximum - distance + 1)
      #expect(FrameTable.saturatedFrameCount == saturated + (distance == 1 ? 1 : 0))
    }

    @Test func `a saturated count stays at the maximum when handles are shared and dropped`() throws
    {
      let frame = try frame(withCount: ReferenceCount.maximum)
      for _ in 0..<3 { _ = frame.share() }
      #expect(frame.referenceCount == ReferenceCount.maximum)
      let address = frame.address
      _ = consume frame
      let slot = try FrameTable.slot(at: address)
      #expect(slot.count == ReferenceCount.maximum)
      let acquired = try AnyFrame(sharing: address)
      #expect(acquired.referenceCount == ReferenceCount.maximum)
    }

    @Test func `a saturated frame is never allocated again`() throws {
      let address = try frame(withCount: ReferenceCount.maximum).address
      while let other = try? FrameAllocator.allocate() { #expect(other != address) }
    }

    @Test func `acquiring the last reference before the maximum saturates the frame`() throws {
      let frame = try frame(withCount: ReferenceCount.maximum - 1)
      let saturated = FrameTable.saturatedFrameCount
      let acquired = try AnyFrame(sharing: frame.address)
      #expect(acquired.referenceCount == ReferenceCount.maximum)
      #expect(FrameTable.saturatedFrameCount == saturated + 1)
    }

    @Test func `the states differ from every number of owners`() {
      let states = [
        ReferenceCount.unused, ReferenceCount.unique, ReferenceCount.free,
        ReferenceCount.inTransition,
      ]
      #expect(Set(states).count == 4)
      #expect(!states.contains(where: ReferenceCount.isShared))
      #expect(ReferenceCount.isShared(1) && ReferenceCount.isShared(ReferenceCount.maximum))
      #expect(!ReferenceCount.isShared(ReferenceCount.maximum + 1))
    }

    @Test func `a frame in transition can be neither claimed nor shared`() throws {
      let slot = try FrameTable.slot(at: machine.address(1))
      slot.setCount(ReferenceCount.inTransition)
      #expect(throws: TesseraError.inTransition) {
        _ = try Frame(claiming: machine.address(1), metadata: PlainMemory())
      }
      #expect(throws: TesseraError.inTransition) { _ = try AnyFrame(sharing: machine.address(1)) }
      slot.setCount(ReferenceCount.unused)
      #expect(machine.violations == [])
    }

    @Test func `a frame in another processor's cache cannot be claimed`() throws {
      let machine = SimulatedMachine(frameCount: 64, processorCount: 2)
      let address = try FrameAllocator.allocate()
      FrameAllocator.free(address)
      asProcessor(1) {
        _ = #expect(throws: TesseraError.inTransition) {
          _ = try Frame(claiming: address, metadata: PlainMemory())
        }
      }
      _ = try Frame(claiming: address, metadata: PlainMemory())
      #expect(machine.violations == [])
    }

    @Test func `a slot that violates an invariant is reported`() throws {
      let slot = try FrameTable.slot(at: machine.address(1))
      func violations(count: UInt64, kind: FrameKind, list: UInt64) -> [String] {
        slot.setCount(count)
        slot.setKind(kind)
        slot.setListIdentifier(list)
        let found = machine.violations
        slot.setCount(ReferenceCount.unused)
        slot.setKind(.none)
        slot.setListIdentifier(0)
        return found
      }
      let plain = FrameKind.of(PlainMemory.self)
      #expect(violations(count: ReferenceCount.unused, kind: .none, list: 0) == [])
      #expect(violations(count: 1, kind: plain, list: 0) == [])
      #expect(violations(count: ReferenceCount.unused, kind: plain, list: 0).count == 1)
      #expect(violations(count: ReferenceCount.unused, kind: .none, list: 1).count == 1)
      #expect(violations(count: ReferenceCount.free, kind: plain, list: 0).count == 1)
      #expect(violations(count: ReferenceCount.inTransition, kind: plain, list: 0).count == 1)
      #expect(violations(count: ReferenceCount.maximum + 1, kind: plain, list: 0).count == 1)
      #expect(violations(count: 1, kind: plain, list: 1).count == 1)
      #expect(violations(count: 1, kind: .cached, list: 0).count >= 1)
      #expect(violations(count: ReferenceCount.unique, kind: .none, list: 0).count >= 1)
      #expect(violations(count: 1, kind: .freeBlock(order: 3), list: 0).count >= 1)
      // A tail frame with neither its usage nor a head; and one without a head.
      #expect(violations(count: ReferenceCount.tail, kind: plain, list: 0).count == 2)
      let tail = FrameKind.tail(of: .twoMiB)
      #expect(violations(count: ReferenceCount.tail, kind: tail, list: 0).count == 1)
    }
  }
}
