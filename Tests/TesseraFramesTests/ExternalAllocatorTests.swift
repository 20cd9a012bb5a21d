import Scenarios
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import Testing

extension OnSimulatedMachine {
  /// A kernel with its own allocator, which allocates all frames.
  @Suite("External allocator") struct ExternalAllocatorTests {
    /// A machine with 255 frames in the kernel's allocator, and that allocator.
    private static func start(
      processorCount: Int = 1
    ) throws -> (machine: SimulatedMachine, pool: KernelPool) {
      let machine = SimulatedMachine(
        frameCount: 256, processorCount: processorCount, hasPool: true)
      return (machine, try #require(machine.pool))
    }

    @Test func `a frame is allocated and freed externally at once`() throws {
      let (machine, pool) = try Self.start()
      for _ in 0..<100 {
        let address = try Frame(allocating: PlainMemory()).address
        #expect(pool.takeFreed() == [KernelPool.Freed(address.rawValue, 1)])
      }
      #expect(pool.givenCount == 100)
      #expect(pool.outCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `the statistics and the census match the owners of frames`() throws {
      let (machine, pool) = try Self.start()
      #expect(FrameTable.census.count(of: .external) == 256)
      let segment = try Segment(allocating: 7) { _ in PlainMemory() }
      let raw = try FrameAllocator.allocate(3)
      let statistics = FrameAllocator.statistics
      #expect(statistics.managedFrameCount == 256)
      #expect(statistics.usedFrameCount == 10)
      #expect(statistics.freeFrameCount == 246)
      #expect(statistics.cachedFrameCount == 0)
      #expect(statistics.largestFreeBlock == 0)
      #expect(FrameTable.census.count(of: .external) == 246)
      #expect(FrameTable.census.count(of: .object) == 7)
      #expect(FrameTable.census.free == 0)
      #expect(pool.outCount == 10)
      #expect(machine.violations == [])
      let address = segment.address
      drop(segment)
      FrameAllocator.free(raw, 3)
      #expect(
        pool.takeFreed() == [
          KernelPool.Freed(address.rawValue, 7), KernelPool.Freed(raw.rawValue, 3),
        ])
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `a run freed in pieces is returned in pieces, each frame once`() throws {
      let (machine, pool) = try Self.start()
      let raw = try FrameAllocator.allocate(6)
      FrameAllocator.free(raw + 4096, 2)
      FrameAllocator.free(raw)
      FrameAllocator.free(raw + 3 * 4096, 3)
      let first = raw.rawValue
      #expect(
        pool.takeFreed() == [
          KernelPool.Freed(first + 0x1000, 2), KernelPool.Freed(first, 1),
          KernelPool.Freed(first + 0x3000, 3),
        ])
      do {
        var segment = try Segment(allocating: 5) { _ in PlainMemory() }
        let middle = segment.address + 2 * 4096
        let kept = try AnyFrame(sharing: middle)
        while let frame = segment.next() { drop(frame) }
        #expect(pool.takeFreed().map(\.frameCount) == [1, 1, 1, 1])
        drop(kept)
        #expect(pool.takeFreed() == [KernelPool.Freed(middle.rawValue, 1)])
      }
      #expect(pool.outCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `the constraints of a request are passed on`() throws {
      let machine = SimulatedMachine(frameCount: 2048, hasPool: true)
      let pool = try #require(machine.pool)
      do {
        let low = try Frame(
          allocating: PlainMemory(), FrameRequest(below: PhysicalAddress(0x10_0000)))
        #expect(low.address.rawValue < 0x10_0000)
        #expect(
          pool.lastRequest == KernelPool.Request(1, alignment: 4096, limit: 0x10_0000))
        let run = try FrameAllocator.allocate(4, FrameRequest(alignment: 0x10_0000))
        #expect(run.rawValue % 0x10_0000 == 0)
        #expect(
          pool.lastRequest == KernelPool.Request(4, alignment: 0x10_0000, limit: 0x80_0000))
        FrameAllocator.free(run, 4)
        let large = try Frame(
          allocating: PlainMemory(), FrameRequest(isZeroed: false, size: .twoMiB))
        #expect(large.address.isAligned(to: .twoMiB))
        #expect(
          pool.lastRequest == KernelPool.Request(512, alignment: 0x20_0000, limit: 0x80_0000))
        #expect(pool.outCount == 513)
        _ = pool.takeFreed()
        let address = large.address
        drop(large)
        #expect(pool.takeFreed() == [KernelPool.Freed(address.rawValue, 512)])
        drop(low)
      }
      #expect(pool.outCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `memory is zeroed on request, whatever the kernel left there`() throws {
      let (_, pool) = try Self.start()
      for byteCount in [1, 4] {
        let raw = try FrameAllocator.allocate(byteCount)
        let isZero = unsafe PhysicalMemory.isFilled(
          from: raw, with: 0, byteCount: UInt64(byteCount) << 12)
        #expect(isZero)
        FrameAllocator.free(raw, byteCount)
      }
      // The memory of a simulated machine holds this from the start.
      let raw = try FrameAllocator.allocate(1, .uninitialized)
      let isLeft = unsafe PhysicalMemory.isFilled(
        from: raw, with: 0xa5a5_a5a5_a5a5_a5a5, byteCount: 4096)
      #expect(isLeft)
      FrameAllocator.free(raw)
      #expect(pool.outCount == 0)
    }

    @Test
    func `with poisoning, uninitialized memory is poisoned, and writes by the kernel are allowed`()
      throws
    {
      let (machine, pool) = try Self.start()
      machine.poisonFreedFrames()
      for _ in 0..<300 {
        let raw = try FrameAllocator.allocate(1, .uninitialized)
        // The kernel may write to what it got back: that is no fault.
        FrameAllocator.free(raw)
        unsafe PhysicalMemory.fill(from: raw, with: 7, byteCount: 4096)
      }
      let raw = try FrameAllocator.allocate(1, .uninitialized)
      let isLeft = unsafe PhysicalMemory.isFilled(from: raw, with: 7, byteCount: 4096)
      #expect(!isLeft)
      FrameAllocator.free(raw)
      #expect(pool.outCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `memory that was not allocated to Tessera is never written`() throws {
      let (machine, pool) = try Self.start()
      machine.poisonFreedFrames()
      let mine = PhysicalAddress(try #require(pool.takeForKernel()))
      unsafe PhysicalMemory.fill(from: mine, with: 5, byteCount: 4096)
      while let address = try? FrameAllocator.allocate() { #expect(address != mine) }
      let isLeft = unsafe PhysicalMemory.isFilled(from: mine, with: 5, byteCount: 4096)
      #expect(isLeft)
      #expect(FrameAllocator.statistics.usedFrameCount == 254)
      #expect(machine.violations == [])
    }

    @Test func `running out is an error, and the next freed frame is allocated`() throws {
      let (machine, pool) = try Self.start()
      var addresses: [PhysicalAddress] = []
      while let address = try? FrameAllocator.allocate() { addresses.append(address) }
      #expect(addresses.count == 255)
      #expect(throws: TesseraError.outOfFrames) { _ = try FrameAllocator.allocate(2) }
      FrameAllocator.free(addresses[7])
      #expect(try FrameAllocator.allocate() == addresses[7])
      for address in addresses { FrameAllocator.free(address) }
      #expect(pool.givenCount == 256 && pool.outCount == 0)
      #expect(machine.violations == [])
    }

    @Test func `requests for no frames, or more than there are, are not passed on`() throws {
      let (machine, _) = try Self.start()
      #expect(throws: TesseraError.outOfFrames) { _ = try FrameAllocator.allocate(Int.max) }
      #expect(throws: TesseraError.outOfFrames) { _ = try FrameAllocator.allocate(257) }
      #expect(throws: TesseraError.empty) { _ = try FrameAllocator.allocate(0) }
      #expect(throws: TesseraError.outOfFrames) {
        _ = try FrameAllocator.allocate(1, FrameRequest(below: .zero))
      }
      #expect(machine.violations == [])
    }

    @Test func `a frame that the kernel allocated is claimed, and freed externally`()
      throws
    {
      let (machine, pool) = try Self.start()
      let mine = PhysicalAddress(try #require(pool.takeForKernel()))
      pool.handOver(mine.rawValue)
      do {
        let frame = try Frame(claiming: mine, metadata: PlainMemory())
        #expect(FrameAllocator.statistics.usedFrameCount == 1)
        #expect(throws: TesseraError.inUse) {
          _ = try Frame(claiming: mine, metadata: PlainMemory())
        }
        #expect(machine.violations == [])
        drop(frame)
      }
      #expect(pool.takeFreed() == [KernelPool.Freed(mine.rawValue, 1)])
      // A range that cannot be claimed as a whole stays where it was.
      FrameAllocator.free(try FrameAllocator.allocate(9), 9)
      _ = pool.takeFreed()
      let used = try Frame(allocating: PlainMemory())
      let start = used.address.rawValue - 3 * 4096
      #expect(throws: TesseraError.inUse) {
        _ = try Segment(claiming: PhysicalAddress(start)..<(used.address + 4096)) { _ in
          PlainMemory()
        }
      }
      #expect(FrameAllocator.statistics.usedFrameCount == 1)
      #expect(pool.takeFreed() == [])
      #expect(machine.violations == [])
      drop(used)
      #expect(machine.violations == [])
    }

    @Test func `several processors lose no frame`() throws {
      let (machine, pool) = try Self.start(processorCount: 4)
      machine.onEveryProcessor { processor in
        for turn in 0..<2000 {
          let count = (turn + processor) % 3 + 1
          guard let raw = try? FrameAllocator.allocate(count, .uninitialized) else { continue }
          FrameAllocator.free(raw, count)
        }
      }
      #expect(pool.givenCount > 2000)
      #expect(pool.outCount == 0)
      #expect(FrameAllocator.statistics.usedFrameCount == 0)
      #expect(machine.violations == [])
    }

    @Test(
      arguments: (0..<Scenario.count).filter { Scenario(at: $0).allocator == .any })
    func `a scenario passes with the kernel's allocator`(number: Int) throws {
      let machine = SimulatedMachine(frameCount: 6144, reserved: 16, hasPool: true)
      let pool = try #require(machine.pool)
      let scenario = Scenario(at: number)
      // The first time all goes well; then each request that finds nothing.
      for ordinal in 0...5000 {
        var checks = Checks()
        pool.failCall(ordinal)
        let isComplete = scenario.run(&checks, visitingEveryFrame: ordinal < 8)
        let hasFailed = pool.hasFailed
        pool.failCall(0)
        checks.forEachFailure { failure in
          Issue.record(
            "\(scenario.name), request \(ordinal): \(failure.message) at line \(failure.line)")
        }
        #expect(isComplete || hasFailed, "memory ran out in \(scenario.name)")
        #expect(pool.outCount == 0)
        #expect(machine.violations == [])
        if ordinal > 0 && !hasFailed || checks.failureCount > 0 { return }
      }
      Issue.record("\(scenario.name) made more than 5000 requests")
    }
  }
}

private func drop<Value: ~Copyable>(_ value: consuming Value) {}
