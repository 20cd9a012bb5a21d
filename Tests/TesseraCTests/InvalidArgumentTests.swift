import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Calls that violate the contract of the header, as in `MisuseTests`.
  @Suite("Invalid arguments in C") struct InvalidArgumentTests {
    let world: MisuseWorld

    init() throws { world = try MisuseWorld() }

    @Test func `a frame with Swift metadata is not accessible from C`() throws {
      let frame = try Frame(allocating: PlainMemory())
      let address = frame.address.rawValue
      let page = MisuseWorld.unmappedPage
      expect(tessera_share(address), TESSERA_ERROR_NOT_CLIENT)
      expect(tessera_drop(address), TESSERA_ERROR_NOT_CLIENT)
      expect(tessera_drop_run(address, 1), TESSERA_ERROR_NOT_CLIENT)
      expect(
        tessera_map(world.space, page, address, world.readWrite, nil), TESSERA_ERROR_NOT_CLIENT)
      let bytes = tessera_frame_bytes(address)
      #expect(bytes == nil)
      _ = consume frame
      world.checkUnchanged("a frame of the kernel's Swift part")
    }

    @Test func `a large frame at a misaligned page is an error`() {
      var request = world.request
      request.frame_size = 0x20_0000
      var frame: tessera_frame = 0
      expect(tessera_allocate_as(&request, &frame), TESSERA_OK)
      let page = MisuseWorld.unmappedPage
      let flags = world.readWrite
      for offset in [0x1000, 0x10_0000, 0x1f_f000] as [UInt64] {
        let place = page + offset
        expect(
          tessera_map(world.space, place, frame, flags, nil), TESSERA_ERROR_NOT_ALIGNED)
        expect(
          tessera_replace(world.space, place, frame, flags, nil), TESSERA_ERROR_NOT_ALIGNED)
      }
      // The position is aligned, but the cursor's range ends before the frame does.
      var cursor = tessera_cursor()
      withUnsafeMutablePointer(to: &cursor) { cursor in
        expect(tessera_cursor_open(cursor, world.space, page, 0x10_0000, 0), TESSERA_OK)
        expect(tessera_cursor_map(cursor, frame, flags, nil), TESSERA_ERROR_OUT_OF_BOUNDS)
        expect(tessera_cursor_jump(cursor, page + 0x1000), TESSERA_OK)
        expect(tessera_cursor_map(cursor, frame, flags, nil), TESSERA_ERROR_NOT_ALIGNED)
        #expect(tessera_cursor_address(cursor) == page + 0x1000)
        expect(tessera_cursor_close(cursor), TESSERA_OK)
      }
      expect(tessera_drop(frame), TESSERA_OK)
      world.checkUnchanged("large frames in wrong places")
    }

    @Test func `a run that is invalid in part is an error and changes nothing`() {
      var request = world.request
      request.count = 4
      var first: tessera_frame = 0
      expect(tessera_allocate_as(&request, &first), TESSERA_OK)
      expect(tessera_drop(first + 0x3000), TESSERA_OK)
      let page = MisuseWorld.unmappedPage
      expect(
        tessera_map_run(world.space, page, first, 4, world.readWrite, nil),
        TESSERA_ERROR_NO_HANDLE)
      expect(tessera_drop_run(first, 4), TESSERA_ERROR_NO_HANDLE)
      expect(tessera_drop_run(first, 0), TESSERA_ERROR_EMPTY)
      expect(tessera_drop_run(first, .max), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(
        tessera_map_run(world.space, page, first, .max, world.readWrite, nil),
        TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_map_run(world.space, page, first, 3, world.readWrite, nil), TESSERA_OK)
      expect(
        tessera_map_run(world.space, page + 0x8000, first, 3, world.readWrite, nil),
        TESSERA_ERROR_NO_HANDLE)
      expect(tessera_unmap(world.space, page, 0x3000, nil), TESSERA_OK)
      world.checkUnchanged("runs")
    }

    @Test func `unsatisfiable requests are errors`() {
      func demand(_ expected: Int, _ change: (inout tessera_request) -> Void) {
        var request = world.request
        change(&request)
        var frame: tessera_frame = 77
        expect(tessera_allocate_as(&request, &frame), expected)
        #expect(frame == 77)
      }
      for size in [0, 8, 55, 57, .max] as [UInt64] {
        demand(TESSERA_ERROR_INVALID_SIZE) { $0.size = size }
      }
      for size in [1, 4095, 8192, 1 << 39, .max] as [UInt64] {
        demand(TESSERA_ERROR_INVALID_ARGUMENT) { $0.frame_size = size }
      }
      for alignment in [3, 4097, .max, 0xffff] as [UInt64] {
        demand(TESSERA_ERROR_INVALID_ARGUMENT) { $0.alignment = alignment }
      }
      for flags in [2, 4, 1 << 63, .max] as [UInt64] {
        demand(TESSERA_ERROR_INVALID_ARGUMENT) { $0.flags = flags }
      }
      for count in [10_000, 1 << 39, 1 << 40, 1 << 52, 1 << 63, .max] as [UInt64] {
        demand(TESSERA_ERROR_OUT_OF_FRAMES) { $0.count = count }
      }
      demand(TESSERA_ERROR_INVALID_ARGUMENT) {
        $0.count = 2
        $0.frame_size = 1 << 21
      }
      demand(TESSERA_ERROR_OUT_OF_FRAMES) { $0.frame_size = 1 << 30 }
      demand(TESSERA_ERROR_OUT_OF_FRAMES) { $0.alignment = 1 << 62 }
      demand(TESSERA_ERROR_OUT_OF_FRAMES) { $0.limit = 1 }
      demand(TESSERA_ERROR_OUT_OF_FRAMES) { $0.limit = 0x10_0000 }
      expect(tessera_allocate(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_allocate_as(nil, nil), TESSERA_ERROR_INVALID_POINTER)
      world.checkUnchanged("requests")
    }

    @Test func `null pointers for results are errors`() {
      var request = world.request
      expect(tessera_allocate_as(&request, nil), TESSERA_ERROR_INVALID_POINTER)
      var info = tessera_frame_info()
      for size in [0, 1, 39, 41, .max] as [UInt64] {
        info.size = size
        expect(tessera_frame_query(world.frame, &info), TESSERA_ERROR_INVALID_SIZE)
        var page = tessera_page()
        page.size = size
        expect(
          tessera_query(world.space, MisuseWorld.mappedPage, &page), TESSERA_ERROR_INVALID_SIZE)
        var statistics = tessera_statistics()
        statistics.size = size
        expect(tessera_get_statistics(&statistics), TESSERA_ERROR_INVALID_SIZE)
      }
      let page = MisuseWorld.mappedPage
      expect(tessera_frame_query(world.frame, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_query(world.space, page, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_get_statistics(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_translate(world.space, page, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_visit(world.space, page, 4096, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_dump(world.space, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_print_walk(world.space, page, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_audit(nil, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_space_create(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_space_bounds(world.space, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_cursor_open(nil, world.space, page, 4096, 0), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_kernel_allocate(4096, world.readWrite, nil), TESSERA_ERROR_INVALID_POINTER)
      world.checkUnchanged("places")
    }

    @Test func `invalid ranges of the kernel virtual area are errors`() {
      let start = 0xffff_c000_0000_0000 as UInt64
      func at(_ address: UInt64) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(address))
      }
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(0, world.readWrite, &address), TESSERA_ERROR_EMPTY)
      for length in [1 << 39, 1 << 40, .max, .max - 4094] as [UInt64] {
        let status = Int(tessera_kernel_allocate(length, world.readWrite, &address))
        #expect(
          status == TESSERA_ERROR_OUT_OF_ADDRESSES || status == TESSERA_ERROR_OUT_OF_FRAMES)
      }
      expect(
        tessera_kernel_allocate(1 << 30, world.readWrite, &address), TESSERA_ERROR_OUT_OF_FRAMES)
      expect(tessera_kernel_allocate(4096, 1 << 30, &address), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(
        tessera_kernel_map_device(0x1001, 4096, world.readWrite, &address),
        TESSERA_ERROR_NOT_ALIGNED)
      expect(
        tessera_kernel_map_device(1 << 40, 4096, world.readWrite, &address),
        TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(
        tessera_kernel_map_device(.max & ~4095, 8192, world.readWrite, &address),
        TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(
        tessera_kernel_map_device(world.frame, 4096, world.readWrite, &address),
        TESSERA_ERROR_IN_USE)
      #expect(address == nil)
      expect(tessera_kernel_free(at(start), 0), TESSERA_ERROR_EMPTY)
      expect(tessera_kernel_free(at(start + 1), 4096), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_kernel_free(at(start), 4096), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_kernel_free(nil, 4096), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_kernel_free(at(start), .max), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_kernel_free(at(.max & ~4095), 8192), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_space_destroy(tessera_kernel_space()), TESSERA_ERROR_KERNEL_SPACE)
      world.checkUnchanged("the kernel's area")
    }

    @Test func `claiming memory in use is an error`() {
      expect(tessera_claim(world.frame), TESSERA_ERROR_IN_USE)
      expect(tessera_claim(world.frame + 1), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_claim(1 << 52), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_claim(.max), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_claim(LoadedMachine.image.lowerBound), TESSERA_ERROR_NOT_CLIENT)
      expect(tessera_claim(tessera_space_root(world.space)), TESSERA_ERROR_NOT_CLIENT)
      expect(tessera_claim(0x5000), TESSERA_OK)
      expect(tessera_claim(0x5000), TESSERA_ERROR_IN_USE)
      expect(tessera_drop(0x5000), TESSERA_OK)
      expect(tessera_add_memory(0, 0), TESSERA_ERROR_EMPTY)
      expect(tessera_add_memory(1, 4096), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_add_memory(.max, 4096), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_add_memory(1 << 40, 4096), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_add_memory(world.frame, 4096), TESSERA_ERROR_NOT_CLIENT)
      world.checkUnchanged("claims")
    }
  }
}
