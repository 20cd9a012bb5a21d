import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// A kernel in C with a frame allocator of its own.
  @Suite("External allocator in C") struct ExternalAllocatorCAPITests {
    /// The pool owns the machine's usable frames above 2 MiB.
    let machine = LoadedMachine()
    let pool = KernelPool([0x200..<0x800])
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    static let page: UInt64 = 0x80_0000_0000

    /// Starts on the pool's memory, with the configuration adjusted by `change`.
    private func start(
      _ regions: [tessera_region] = LoadedMachine.regions,
      _ change: (inout tessera_config) -> Void = { _ in }
    ) -> Int {
      machine.start(regions) { config in
        config.allocate_frames = KernelPool.allocateFrames
        config.free_frames = KernelPool.freeFrames
        config.frames_context = pool.context
        change(&config)
      }
    }

    private var statistics: tessera_statistics {
      var statistics = tessera_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
      expect(tessera_get_statistics(&statistics), TESSERA_OK)
      return statistics
    }

    private func use(of frame: tessera_frame) -> Int {
      var info = tessera_frame_info()
      info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      expect(tessera_frame_query(frame, &info), TESSERA_OK)
      return Int(info.usage)
    }

    @Test func `all frames are allocated from it, and unused ones stay in it`() {
      #expect(start() == TESSERA_OK)
      // 2048 slots, the rest of the metadata, two tables, and the frame of zeros.
      #expect(pool.outCount == 32 + 1 + 3)
      let now = statistics
      #expect(now.metadata_frames == 33)
      #expect(now.managed_frames - now.free_frames == 3)
      #expect(now.cached_frames == 0 && now.largest_free_block == 0)
      #expect(now.pooled_tables == 0)
      #expect(use(of: 0x20_0000) == TESSERA_FRAME_METADATA)
      #expect(use(of: 0x30_0000) == TESSERA_FRAME_EXTERNAL)
      #expect(use(of: 0x8000) == TESSERA_FRAME_FREE)
      #expect(machine.violations == "")
      #expect(pool.problems == [])
    }

    @Test func `one function without the other is an error`() {
      #expect(start { $0.free_frames = nil } == TESSERA_ERROR_INVALID_POINTER)
      #expect(start { $0.allocate_frames = nil } == TESSERA_ERROR_INVALID_POINTER)
      #expect(pool.givenCount == 0)
      #expect(start() == TESSERA_OK)
    }

    /// The sizes of the versions of the configuration.
    private static let sizes = [80, 104, 144] as [UInt64]

    @Test func `the sizes of all versions are known, and no others`() {
      #expect(UInt64(MemoryLayout<tessera_config>.size) == Self.sizes.last)
      for wrong in stride(from: 0, through: 256, by: 8) as StrideThrough<UInt64>
      where !Self.sizes.contains(wrong) {
        #expect(start { $0.size = wrong } == TESSERA_ERROR_INVALID_SIZE)
      }
    }

    @Test func `a configuration of the second version has an allocator and no code`() {
      let status = start {
        $0.size = Self.sizes[1]
        $0.flags = UInt64(TESSERA_NO_OTHER_EXECUTION)
        ($0.text_start, $0.text_end) = (1 << 63, 1 << 63 + 4096)
      }
      #expect(status == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(start { $0.size = Self.sizes[1] } == TESSERA_OK)
      #expect(pool.givenCount > 0)
    }

    @Test func `a configuration of the first version has no allocator`() {
      // The fields beyond are ignored, although one of the functions is missing there.
      let status = start {
        $0.size = Self.sizes[0]
        $0.free_frames = nil
      }
      #expect(status == TESSERA_OK)
      #expect(pool.givenCount == 0)
      #expect(statistics.cached_frames + statistics.largest_free_block > 0)
      #expect(machine.violations == "")
    }

    @Test(arguments: [false, true])
    func `a start that runs out of memory at any point frees everything`(isCopied: Bool) {
      var ordinal = 1
      while ordinal < 20 {
        pool.failCall(ordinal)
        let status = start { $0.kernel_half = UInt32(isCopied ? TESSERA_COPY : TESSERA_ADOPT) }
        if !pool.hasFailed {
          #expect(status == TESSERA_OK)
          break
        }
        #expect(status == TESSERA_ERROR_OUT_OF_FRAMES)
        #expect(pool.outCount == 0 && pool.problems == [])
        #expect(Int(tessera_space_create(nil)) == TESSERA_ERROR_NOT_STARTED)
        ordinal += 1
      }
      // Metadata, the root, the table of the kernel virtual area, the frame of zeros, and two
      // copies of the loader's.
      #expect(ordinal == (isCopied ? 7 : 5))
      pool.failCall(0)
      #expect(machine.violations == "")
    }

    @Test func `tables in the kernel's own memory are not freed`() {
      // The map does not list the loader's memory.
      let regions = [LoadedMachine.regions[0]]
      #expect(start(regions) == TESSERA_OK)
      #expect(use(of: LoadedMachine.tables[1]) == TESSERA_FRAME_EXTERNAL)
      useEverything()
      #expect(machine.violations == "")
      #expect(pool.problems == [])
    }

    /// Creates a space, maps memory in it in every way, and destroys it.
    private func useEverything() {
      let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
      defer { space.deallocate() }
      space.initialize(to: tessera_space())
      expect(tessera_space_create(space), TESSERA_OK)
      var frame: tessera_frame = 0
      expect(tessera_allocate(&frame), TESSERA_OK)
      expect(tessera_map(space, Self.page, frame, readWrite, nil), TESSERA_OK)
      expect(tessera_map_zeroed(space, Self.page + 0x40_0000, 0x5000, readWrite, nil), TESSERA_OK)
      expect(tessera_protect(space, Self.page, 4096, UInt32(TESSERA_READ), nil), TESSERA_OK)
      expect(tessera_unmap(space, Self.page, 0x80_0000, nil), TESSERA_OK)
      expect(tessera_space_destroy(space), TESSERA_OK)
    }

    @Test func `destroying a space frees all of its frames and tables`() {
      #expect(start() == TESSERA_OK)
      let out = pool.outCount
      for _ in 0..<3 { useEverything() }
      #expect(pool.outCount == out)
      #expect(pool.givenCount > out + 3 * 10)
      #expect(pool.problems == [])
      #expect(machine.violations == "")
    }

    @Test func `a frame allocated by the kernel itself can be mapped`() throws {
      #expect(start() == TESSERA_OK)
      let mine = try #require(pool.takeForKernel())
      #expect(use(of: mine) == TESSERA_FRAME_EXTERNAL)
      expect(tessera_drop(mine), TESSERA_ERROR_NO_HANDLE)
      pool.handOver(mine)
      expect(tessera_claim(mine), TESSERA_OK)
      expect(tessera_claim(mine), TESSERA_ERROR_IN_USE)
      #expect(use(of: mine) == TESSERA_FRAME_CLIENT)
      _ = pool.takeFreed()
      expect(tessera_drop(mine), TESSERA_OK)
      #expect(pool.takeFreed() == [KernelPool.Freed(mine, 1)])
      #expect(use(of: mine) == TESSERA_FRAME_EXTERNAL)
      #expect(pool.problems == [])
      #expect(machine.violations == "")
    }

    @Test func `reclaimed loader memory can be allocated`() {
      #expect(start { $0.kernel_half = UInt32(TESSERA_COPY) } == TESSERA_OK)
      let before = statistics
      let loaders = LoadedMachine.tables[0]
      expect(tessera_add_memory(loaders, 0x4000), TESSERA_OK)
      expect(tessera_add_memory(loaders, 0x4000), TESSERA_ERROR_NOT_CLIENT)
      #expect(statistics.managed_frames == before.managed_frames + 4)
      #expect(statistics.kernel_frames == before.kernel_frames - 4)
      #expect(use(of: loaders) == TESSERA_FRAME_EXTERNAL)
      pool.add(Int(loaders >> 12)..<Int(loaders >> 12) + 4)
      var request = tessera_request()
      request.size = UInt64(MemoryLayout<tessera_request>.size)
      request.limit = 0x20_0000
      request.count = 4
      var frame: tessera_frame = 0
      expect(tessera_allocate_as(&request, &frame), TESSERA_OK)
      #expect(frame == loaders)
      expect(tessera_drop_run(frame, 4), TESSERA_OK)
      #expect(pool.problems == [])
      #expect(machine.violations == "")
    }

    @Test func `memory of the external allocator cannot be mapped as a device`() {
      #expect(start() == TESSERA_OK)
      expect(
        tessera_map_device(tessera_kernel_space(), 0xffff_c000_0000_0000, 0x30_0000, 4096, 3, nil),
        TESSERA_ERROR_IN_USE)
    }

    /// A request, and the arguments with which the external allocator is called for it.
    struct Asked: Sendable, CustomTestStringConvertible {
      var size: UInt64 = 0
      var count: UInt64 = 0
      var alignment: UInt64 = 0
      var limit: UInt64 = 0
      var flags: UInt64 = 0
      var request: KernelPool.Request?
      var status = TESSERA_OK
      var testDescription: String { "\(size) \(count) \(alignment) \(limit) \(flags)" }
    }

    private static let end = LoadedMachine.byteCount
    private static func asks(
      _ count: UInt64 = 1, _ alignment: UInt64 = 4096, below limit: UInt64 = end
    ) -> KernelPool.Request { KernelPool.Request(count, alignment: alignment, limit: limit) }

    private static let outOfFrames = TESSERA_ERROR_OUT_OF_FRAMES

    /// Requests that are forwarded, that fail there, and that are not forwarded.
    private static let cases: [Asked] = [
      Asked(request: asks()),
      Asked(flags: 1, request: asks()),
      Asked(size: 0x1000, request: asks()),
      Asked(size: 0x20_0000, request: asks(512, 0x20_0000)),
      Asked(size: 0x20_0000, flags: 1, request: asks(512, 0x20_0000)),
      Asked(size: 0x20_0000, alignment: 4096, request: asks(512, 0x20_0000)),
      Asked(size: 0x20_0000, alignment: 0x40_0000, request: asks(512, 0x40_0000)),
      Asked(size: 0x20_0000, limit: 0x60_0000, request: asks(512, 0x20_0000, below: 0x60_0000)),
      Asked(
        size: 0x20_0000, limit: 0x40_0000, request: asks(512, 0x20_0000, below: 0x40_0000),
        status: outOfFrames),
      Asked(size: 0x20_0000, limit: 0x1f_f000, status: outOfFrames),
      Asked(size: 0x4000_0000, status: outOfFrames),
      Asked(count: 1, request: asks()),
      Asked(count: 2, request: asks(2)),
      Asked(count: 3, flags: 1, request: asks(3)),
      Asked(count: 64, request: asks(64)),
      Asked(count: 513, request: asks(513)),
      Asked(count: 1500, request: asks(1500)),
      Asked(count: 1502, request: asks(1502), status: outOfFrames),
      Asked(count: 2048, request: asks(2048), status: outOfFrames),
      Asked(count: 2049, status: outOfFrames),
      Asked(count: 1 << 39, status: outOfFrames),
      Asked(count: 1 << 40, status: outOfFrames),
      Asked(count: .max, status: outOfFrames),
      Asked(count: 2, alignment: 0x2000, request: asks(2, 0x2000)),
      Asked(count: 16, alignment: 0x10_0000, request: asks(16, 0x10_0000)),
      Asked(alignment: 1, request: asks()),
      Asked(alignment: 0x1000, request: asks()),
      Asked(alignment: 0x2000, request: asks(1, 0x2000)),
      Asked(alignment: 0x40_0000, request: asks(1, 0x40_0000)),
      Asked(alignment: 0x80_0000, request: asks(1, 0x80_0000), status: outOfFrames),
      Asked(alignment: 1 << 40, request: asks(1, 1 << 40), status: outOfFrames),
      Asked(alignment: 1 << 41, status: outOfFrames),
      Asked(alignment: 3, status: TESSERA_ERROR_INVALID_ARGUMENT),
      Asked(limit: 0x80_0000, request: asks()),
      Asked(limit: 0x70_0000, request: asks(below: 0x70_0000)),
      Asked(limit: 0x70_0fff, request: asks(below: 0x70_0000)),
      Asked(limit: 0x1_0000_0000, request: asks()),
      Asked(limit: 1 << 52, request: asks()),
      Asked(limit: .max, request: asks()),
      Asked(limit: 0x20_0000, request: asks(below: 0x20_0000), status: outOfFrames),
      Asked(limit: 0x1000, request: asks(below: 0x1000), status: outOfFrames),
      Asked(limit: 0xfff, status: outOfFrames),
      Asked(limit: 1, status: outOfFrames),
      Asked(count: 2, limit: 0x1000, status: outOfFrames),
      Asked(
        count: 5, alignment: 0x4000, limit: 0x50_0000, request: asks(5, 0x4000, below: 0x50_0000)),
      Asked(size: 8192, status: TESSERA_ERROR_INVALID_ARGUMENT),
      Asked(size: 0x20_0000, count: 2, status: TESSERA_ERROR_INVALID_ARGUMENT),
      Asked(flags: 2, status: TESSERA_ERROR_INVALID_ARGUMENT),
    ]

    @Test(arguments: cases)
    func `a request is forwarded to the external allocator unchanged`(asked: Asked) {
      #expect(start() == TESSERA_OK)
      let given = pool.givenCount
      let before = pool.lastRequest
      var request = tessera_request()
      request.size = UInt64(MemoryLayout<tessera_request>.size)
      request.frame_size = asked.size
      request.count = asked.count
      request.alignment = asked.alignment
      request.limit = asked.limit
      request.flags = asked.flags
      var frame: tessera_frame = 0
      expect(tessera_allocate_as(&request, &frame), asked.status)
      #expect(pool.lastRequest == asked.request ?? before)
      if asked.status == TESSERA_OK {
        let count = asked.request?.frameCount ?? 0
        #expect(UInt64(pool.givenCount - given) == count)
        _ = pool.takeFreed()
        if asked.count > 1 {
          expect(tessera_drop_run(frame, asked.count), TESSERA_OK)
        } else {
          expect(tessera_drop(frame), TESSERA_OK)
        }
        #expect(pool.takeFreed() == [KernelPool.Freed(frame, count)])
      } else {
        #expect(pool.givenCount == given && frame == 0)
      }
      #expect(machine.violations == "")
      #expect(pool.problems == [])
    }

    /// Invalid results of the allocator, and the panic message of each.
    private static let nonsense: [(UInt64, String)] = [
      (0x30_0001, "an address without the requested alignment: 0x300001"),
      (0x80_0000, "frames beyond the end of memory: 0x800000"),
      (0xffff_0000, "frames beyond the end of memory: 0xffff0000"),
      (0x4030_0000, "frames beyond the end of memory: 0x40300000"),
      (0x1000, "reserved low memory: 0x1000"),
      (0x11_0000, "memory of the kernel's image or loader: 0x110000"),
      (0x10_1000, "memory of the kernel's image or loader: 0x101000"),
      (0x20_0000, "memory of Tessera's metadata: 0x200000"),
      (0x22_1000, "a frame that Tessera already has: 0x221000"),
    ]

    @Test(arguments: nonsense)
    func `an invalid result panics`(answer: UInt64, sentence: String) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [answer] in
        let suite = OnSimulatedMachine.ExternalAllocatorCAPITests()
        #expect(suite.start() == TESSERA_OK)
        suite.pool.answerNext(answer)
        var frame: tessera_frame = 0
        _ = tessera_allocate(&frame)
      }
      try expectPanic(in: result, "allocate_frames returned " + sentence)
    }
  }
}
