import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// Requests that no list of free blocks answers: runs across blocks, and frames below a limit.
  @Suite("Free runs") struct FreeRunTests {
    /// A machine all of whose frames are allocated, but for those of `free`.
    private func machine(frameCount: Int, first: Int = 1, free: [Int]) throws -> SimulatedMachine {
      let machine = SimulatedMachine(frameCount: frameCount, reserved: first, isFilled: false)
      while (try? FrameAllocator.allocate(1, .uninitialized)) != nil {}
      for number in free { FrameAllocator.free(address(number)) }
      FrameAllocator.drainCache()
      #expect(FrameAllocator.statistics.freeFrameCount == UInt64(free.count))
      return machine
    }

    private func address(_ number: Int) -> PhysicalAddress { PhysicalAddress(UInt64(number) << 12) }

    private func allocate(_ count: Int, below limit: Int? = nil, alignment: UInt64 = 4096) -> Int? {
      let limit = limit.map { address($0) } ?? .limit
      let request = FrameRequest(isZeroed: false, below: limit, alignment: alignment)
      return (try? FrameAllocator.allocate(count, request)).map { Int($0.frameNumber) }
    }

    @Test(arguments: [1, 5, 600, 1022, 1023])
    func `a run that is no block is found, and freed whole`(count: Int) throws {
      let machine = try machine(frameCount: 2048, free: Array(513..<1536))
      let before = FrameAllocator.statistics
      #expect(allocate(1024) == nil)
      let first = try #require(allocate(count))
      #expect(513...1536 - count ~= first)
      let now = FrameAllocator.statistics
      #expect(now.freeFrameCount + now.cachedFrameCount == UInt64(1023 - count))
      #expect(machine.violations == [])
      FrameAllocator.free(address(first), count)
      FrameAllocator.drainCache()
      #expect(FrameAllocator.statistics == before)
      #expect(machine.violations == [])
    }

    @Test func `a run is found at its alignment`() throws {
      let machine = try machine(frameCount: 2048, free: Array(513..<1536))
      #expect(allocate(700, alignment: 256 << 12) == 768)
      #expect(allocate(256, alignment: 256 << 12) == nil)
      #expect(allocate(255) == 513)
      #expect(machine.violations == [])
    }

    @Test func `frames that just fit below a limit are found`() throws {
      let machine = try machine(frameCount: 2048, free: Array(1024..<1032))
      #expect(allocate(6, below: 1029) == nil)
      #expect(allocate(5, below: 1029) == 1024)
      #expect(allocate(3) == 1029)
      #expect(machine.violations == [])
    }

    @Test func `a run across the border of two zones is found`() throws {
      let machine = try machine(frameCount: 4096 + 512, first: 3000, free: Array(4086..<4103))
      #expect(allocate(18) == nil)
      #expect(allocate(17) == 4086)
      #expect(machine.violations == [])
    }

    @Test(arguments: [1, 3])
    func `a limited request finds the only frames below its limit among many`(count: Int) throws {
      let wanted = Array(1020..<1020 + count)
      let others = (1100..<6000).filter { $0 % 4 < count }
      let machine = try machine(frameCount: 6144, first: 1000, free: wanted + others)
      #expect(allocate(count, below: 1020 + count - 1) == nil)
      #expect(allocate(count, below: 1024) == 1020)
      #expect(allocate(count, below: 1024) == nil)
      #expect(machine.violations == [])
    }

    @Test func `a limited request is served from its zone before a lower one`() throws {
      let others = (5000..<6000).filter { $0 % 2 == 0 }
      let machine = try machine(frameCount: 6144, first: 3000, free: [3500, 4100] + others)
      #expect(allocate(1, below: 4200) == 4100)
      #expect(allocate(1, below: 4200) == 3500)
      #expect(allocate(1, below: 4200) == nil)
      #expect(machine.violations == [])
    }

    @Test func `a request visits few blocks, and a piece of a search at few slots`() throws {
      let scattered = (1100..<9000).filter { $0 % 2 == 0 }
      let machine = try machine(frameCount: 9216, first: 1000, free: [1001] + scattered)
      FrameAllocator.withLock { state, _ in
        // The block is there, but is the last one of a long list.
        #expect(state.low.allocate(order: 0, limit: 1050) == nil)
        // No two frames touch, so that the search ends at the end.
        let pair = FreeRunShape(frameCount: 2, alignment: 1)
        var search = FreeRunSearch(for: pair, limit: .max, in: state.middle)
        var pieces = 1
        while case .unfinished = search.advance() { pieces += 1 }
        #expect(pieces >= (9216 - 4096) / FreeRunSearch.slotCountPerPiece)
        #expect(FreeRunSearch.slotCountPerPiece <= 2048)
      } external: {
      }
      #expect(machine.violations == [])
    }

    @Test func `a search finds a block that grew around its position`() throws {
      let scattered = (5000..<9000).filter { $0 % 2 == 0 }
      let machine = try machine(frameCount: 9216, first: 1000, free: scattered)
      FrameAllocator.withLock { state, _ in
        let pair = FreeRunShape(frameCount: 2, alignment: 1)
        var search = FreeRunSearch(for: pair, limit: .max, in: state.middle)
        guard case .unfinished = search.advance() else {
          Issue.record("the first piece is the last")
          return
        }
        // The first piece ended within frames 4096..<6144, all of which become free and one block.
        for number in 4096..<6144 as Range<UInt64> {
          let slot = FrameTable.slot(number: number)
          guard slot.count != ReferenceCount.free else { continue }
          slot.setCount(ReferenceCount.free)
          state.freeBlock(number, order: 0)
        }
        guard case .found(let number) = search.advance() else {
          Issue.record("the block was not found")
          return
        }
        #expect(number == 4096)
      } external: {
      }
      #expect(machine.violations == [])
    }

    @Test func `a hopeless request fails without a search`() throws {
      let machine = try machine(frameCount: 4096, free: (1024..<4000).filter { $0 % 2 == 0 })
      FrameAllocator.withLock { state, _ in
        let shape = FreeRunShape(frameCount: 3, alignment: 1)
        #expect(state.search(for: shape, limit: .max, zone: 0) == nil)
      } external: {
      }
      #expect(machine.violations == [])
    }
  }
}
