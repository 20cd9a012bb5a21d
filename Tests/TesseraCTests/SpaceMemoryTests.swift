import CallFuzz
import SimulatedMachine
import TesseraHeader
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Spaces in Tessera's memory.
  @Suite("Memory of spaces in C") struct SpaceMemoryTests {
    private typealias Space = UnsafeMutablePointer<tessera_space>
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    static let page: UInt64 = 0x80_0000_0000

    private func makeSpace() throws -> Space {
      var space: Space?
      expect(tessera_space_new(&space), TESSERA_OK)
      return try #require(space)
    }

    @Test func `a new space is used as any other, and its memory is freed with it`() throws {
      let machine = try LoadedMachine.started()
      let free = machine.freeFrames
      let space = try makeSpace()
      expect(tessera_map_zeroed(space, Self.page, 0x3000, readWrite, nil), TESSERA_OK)
      expect(tessera_space_activate(space), TESSERA_OK)
      expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      expect(tessera_unmap(space, Self.page, 0x1000, nil), TESSERA_OK)
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.freeFrames == free)
      expect(tessera_space_destroy(space), TESSERA_ERROR_INVALID_SPACE)
      expect(tessera_space_new(nil), TESSERA_ERROR_INVALID_POINTER)
      #expect(machine.violations == "")
    }

    @Test(.seeded(1))
    func `64 spaces share a frame, which is freed with the last of them`() throws {
      let machine = try LoadedMachine.started()
      let free = machine.freeFrames
      var spaces: [Space] = []
      for _ in 0..<200 { spaces.append(try makeSpace()) }
      #expect(Set(spaces).count == 200)
      #expect(Set(spaces.map { UInt(bitPattern: $0) >> 12 }).count == 4)
      #expect(machine.freeFrames == free - 200 - 4)
      // In an order that empties no frame early, and fills gaps again.
      var generator = Seed.current
      for round in 0..<400 {
        generator = generator &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let index = Int(generator >> 33) % spaces.count
        expect(tessera_space_destroy(spaces.remove(at: index)), TESSERA_OK)
        if round % 2 == 0 { spaces.append(try makeSpace()) }
        if spaces.isEmpty { break }
      }
      #expect(spaces.isEmpty && machine.freeFrames == free)
      #expect(machine.violations == "")
    }

    @Test func `the memory of a space in a full frame is used again`() throws {
      let machine = try LoadedMachine.started()
      var spaces: [Space] = []
      for _ in 0..<64 { spaces.append(try makeSpace()) }
      let free = machine.freeFrames
      expect(tessera_space_destroy(spaces[20]), TESSERA_OK)
      #expect(try makeSpace() == spaces[20])
      #expect(machine.freeFrames == free)
      for space in spaces { expect(tessera_space_destroy(space), TESSERA_OK) }
      #expect(machine.violations == "")
    }

    @Test func `memory of Tessera's cannot be made a space by the kernel`() throws {
      let machine = try LoadedMachine.started()
      let first = try makeSpace()
      let second = try makeSpace()
      expect(tessera_space_create(first), TESSERA_ERROR_IN_USE)
      expect(tessera_space_destroy(first), TESSERA_OK)
      expect(tessera_space_create(first), TESSERA_ERROR_IN_USE)
      #expect(try makeSpace() == first)
      for space in [first, second] { expect(tessera_space_destroy(space), TESSERA_OK) }
      #expect(machine.violations == "")
    }

    @Test func `without memory no space is made, and nothing is lost`() throws {
      let machine = LoadedMachine()
      let pool = KernelPool([0x200..<0x800])
      let status = machine.start { config in
        config.allocate_frames = KernelPool.allocateFrames
        config.free_frames = KernelPool.freeFrames
        config.frames_context = pool.context
      }
      try #require(status == TESSERA_OK)
      let out = pool.outCount
      for ordinal in 1...2 {
        pool.failCall(ordinal)
        var space: Space?
        expect(tessera_space_new(&space), TESSERA_ERROR_OUT_OF_FRAMES)
        #expect(space == nil && pool.outCount == out)
      }
      pool.failCall(0)
      let space = try makeSpace()
      #expect(pool.outCount == out + 2)
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(pool.outCount == out && pool.problems == [])
    }
  }
}
