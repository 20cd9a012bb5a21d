import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// What the header allows on a processor that has a cursor open, line by line.
  @Suite("Calls while a cursor is open") struct OpenCursorTests {
    let machine: LoadedMachine
    let spaces = UnsafeMutablePointer<tessera_space>.allocate(capacity: 3)
    let cursors = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 2)
    static let page: UInt64 = 0x80_0000_0000
    private static let twoMiB: UInt64 = 2 << 20
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)

    init() throws {
      machine = try LoadedMachine.started()
      spaces.initialize(repeating: tessera_space(), count: 3)
      cursors.initialize(repeating: tessera_cursor(), count: 2)
      expect(tessera_space_create(spaces), TESSERA_OK)
      expect(tessera_space_create(spaces + 1), TESSERA_OK)
    }

    /// Opens a cursor over a page of the first space, runs `body`, closes it, and checks that no
    /// frame is lost.
    private func withOpenCursor(flags: Int = 0, _ body: () -> Void) {
      let free = machine.freeFrames
      expect(tessera_cursor_open(cursors, spaces, Self.page, 4096, UInt32(flags)), TESSERA_OK)
      body()
      expect(tessera_cursor_set_status(cursors, 4096, 1, nil), TESSERA_OK)
      expect(tessera_cursor_close(cursors), TESSERA_OK)
      expect(tessera_unmap(spaces, Self.page, 4096, nil), TESSERA_OK)
      #expect(machine.freeFrames == free, "no table is left")
      expect(tessera_space_destroy(spaces), TESSERA_OK)
      expect(tessera_space_destroy(spaces + 1), TESSERA_OK)
      #expect(machine.freeFrames == free + 2, "the two roots as well")
      #expect(machine.violations == "")
      spaces.deallocate()
      cursors.deallocate()
    }

    /// Does everything that a space offers with the page at `address` of `space`.
    private func useEverything(_ space: UnsafeMutablePointer<tessera_space>, _ address: UInt64) {
      var frame: tessera_frame = 0
      expect(tessera_allocate(&frame), TESSERA_OK)
      expect(tessera_map(space, address, frame, readWrite, nil), TESSERA_OK)
      expect(tessera_protect(space, address, 4096, UInt32(TESSERA_READ), nil), TESSERA_OK)
      expect(tessera_allocate(&frame), TESSERA_OK)
      expect(tessera_replace(space, address, frame, readWrite, nil), TESSERA_OK)
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(space, address, &found), TESSERA_OK)
      #expect(Int(found.content) == TESSERA_PAGE_FRAME && found.physical == frame)
      expect(tessera_visit(space, address, 4096, { _, _ in }, nil), TESSERA_OK)
      var physical: UInt64 = 0
      expect(tessera_translate(space, address, &physical, nil), TESSERA_OK)
      expect(tessera_unmap(space, address, 4096, nil), TESSERA_OK)
      expect(tessera_map_zeroed(space, address, 4096, readWrite, nil), TESSERA_OK)
      expect(tessera_unmap(space, address, 4096, nil), TESSERA_OK)
      expect(tessera_set_status(space, address, 4096, 3, nil), TESSERA_OK)
      expect(tessera_cursor_open(cursors + 1, space, address, 4096, 0), TESSERA_OK)
      expect(tessera_cursor_unmap(cursors + 1, 4096, nil), TESSERA_OK)
      expect(tessera_cursor_close(cursors + 1), TESSERA_OK)
    }

    @Test(
      arguments: [0, TESSERA_RESERVE_TABLES], [2 << 20, 1 << 30, 1 << 39, 1 << 40] as [UInt64])
    func `pages of another block can be used, whatever is mapped there`(
      flags: Int, distance: UInt64
    ) {
      withOpenCursor(flags: flags) {
        useEverything(spaces, Self.page + distance)
        useEverything(spaces, Self.page + distance - 4096 + Self.twoMiB)
      }
    }

    @Test func `other spaces can be used, created and destroyed`() {
      withOpenCursor {
        useEverything(spaces + 1, Self.page)
        expect(tessera_space_create(spaces + 2), TESSERA_OK)
        useEverything(spaces + 2, Self.page)
        expect(tessera_set_status(spaces + 2, Self.page, 4096, 3, nil), TESSERA_OK)
        expect(tessera_copy(spaces + 1, spaces + 2, Self.page, 4096, nil), TESSERA_OK)
        expect(tessera_unmap(spaces + 1, Self.page, 4096, nil), TESSERA_OK)
        expect(tessera_space_destroy(spaces + 2), TESSERA_OK)
      }
    }

    @Test func `frames and the kernel virtual area can be used`() {
      withOpenCursor {
        var address: UnsafeMutableRawPointer?
        expect(tessera_kernel_allocate(8192, readWrite, &address), TESSERA_OK)
        expect(tessera_kernel_free(address, 8192), TESSERA_OK)
        var frame: tessera_frame = 0
        expect(tessera_allocate(&frame), TESSERA_OK)
        expect(tessera_share(frame), TESSERA_OK)
        expect(tessera_drop(frame), TESSERA_OK)
        expect(tessera_drop(frame), TESSERA_OK)
      }
    }

    @Test func `what takes no lock can be called for the same pages`() {
      withOpenCursor {
        var physical: UInt64 = 0
        var bounds: (UInt64, UInt64) = (0, 0)
        expect(
          tessera_translate(spaces, Self.page, &physical, nil), TESSERA_ERROR_NOT_MAPPED)
        expect(tessera_space_bounds(spaces, &bounds.0, &bounds.1), TESSERA_OK)
        #expect(tessera_space_root(spaces) != 0)
        for text in [
          gathering { tessera_dump(spaces, $0, $1) },
          gathering { tessera_dump_json(spaces, $0, $1) },
          gathering { tessera_print_walk(spaces, Self.page, $0, $1) },
        ] { #expect(!text.isEmpty) }
        expect(tessera_space_activate(spaces), TESSERA_OK)
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      }
    }

    @Test func `a cursor without new tables is opened without memory`() {
      let free = machine.freeFrames
      simulated_fail_allocation(1)
      let flags = UInt32(TESSERA_NO_NEW_TABLES)
      expect(
        tessera_cursor_open(cursors, spaces, Self.page, 4096, 0), TESSERA_ERROR_OUT_OF_FRAMES)
      simulated_fail_allocation(1)
      expect(tessera_cursor_open(cursors, spaces, Self.page, 1 << 40, flags), TESSERA_OK)
      expect(tessera_cursor_unmap(cursors, 1 << 40, nil), TESSERA_OK)
      expect(tessera_cursor_close(cursors), TESSERA_OK)
      #expect(simulated_failed_allocations() == 0)
      simulated_fail_allocation(0)
      #expect(machine.freeFrames == free)
      #expect(machine.violations == "")
    }
  }
}

extension OnSimulatedMachine {
  /// What panics while a cursor is open, with what it says.
  @Suite("Misuse while a cursor is open") struct OpenCursorMisuseTests {
    private static let held =
      "a cursor was opened over a page table that another cursor of the only processor holds"

    /// A call that is not allowed while a cursor over the first page of `MisuseWorld.unmappedPage`
    /// is open.
    enum Call: String, CaseIterable, Codable {
      case openTheSamePage, mapTheNextPage, querySamePage, visitSamePage, openAllOfTheSpace

      func make(in world: MisuseWorld, _ cursor: UnsafeMutablePointer<tessera_cursor>) {
        let page = MisuseWorld.unmappedPage
        var found = tessera_page()
        found.size = UInt64(MemoryLayout<tessera_page>.size)
        switch self {
        case .openTheSamePage: _ = tessera_cursor_open(cursor, world.space, page, 4096, 0)
        case .mapTheNextPage:
          _ = tessera_map_zeroed(world.space, page + 4096, 4096, world.readWrite, nil)
        case .querySamePage: _ = tessera_query(world.space, page, &found)
        case .visitSamePage: _ = tessera_visit(world.space, page, 4096, { _, _ in }, nil)
        case .openAllOfTheSpace:
          let bounds = world.programBounds
          _ = tessera_cursor_open(
            cursor, world.space, bounds.lowerBound, bounds.upperBound - bounds.lowerBound, 0)
        }
      }
    }

    @Test(arguments: Call.allCases)
    func `a call for pages of the same block panics with one processor`(call: Call) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [call] in
        let world = try MisuseWorld()
        let cursors = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 2)
        cursors.initialize(repeating: tessera_cursor(), count: 2)
        _ = tessera_cursor_open(cursors, world.space, MisuseWorld.unmappedPage, 4096, 0)
        call.make(in: world, cursors + 1)
      }
      try expectPanic(in: result, Self.held)
    }

    @Test func `cursors over two whole blocks of one larger block panic`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let world = try MisuseWorld()
        let cursors = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 2)
        cursors.initialize(repeating: tessera_cursor(), count: 2)
        let start = OpenCursorTests.page + 1 << 30
        _ = tessera_cursor_open(cursors, world.space, start, 2 << 20, 0)
        _ = tessera_cursor_open(cursors + 1, world.space, start + 2 << 20, 2 << 20, 0)
      }
      try expectPanic(in: result, Self.held)
    }
  }
}
