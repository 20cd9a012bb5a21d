import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  @Suite("C API") struct CAPITests {
    let machine: LoadedMachine
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    /// The start of the user range: the lower half above the entry that the kernel keeps.
    let page: UInt64 = 0x80_0000_0000

    init() throws { machine = try LoadedMachine.started() }

    @Test func `all invariants hold after the start`() {
      #expect(machine.violations == "")
    }

    @Test func `the version is the same in C and in Swift`() {
      let number = tessera_version()
      #expect(number == UInt32(TESSERA_VERSION))
      #expect(
        "\(Tessera.version)" == "\(number / 10_000).\(number / 100 % 100).\(number % 100)")
    }

    @Test func `a frame is freed with its last handle`() {
      let free = machine.freeFrames
      var frame: tessera_frame = 0
      expect(tessera_allocate(&frame), TESSERA_OK)
      #expect(machine.freeFrames == free - 1)
      expect(tessera_share(frame), TESSERA_OK)
      expect(tessera_drop(frame), TESSERA_OK)
      #expect(machine.freeFrames == free - 1)
      expect(tessera_drop(frame), TESSERA_OK)
      #expect(machine.freeFrames == free)
      expect(tessera_drop(frame), TESSERA_ERROR_NO_HANDLE)
      #expect(machine.violations == "")
    }

    @Test func `dropping too often does not free a mapped frame`() {
      var frame: tessera_frame = 0
      expect(tessera_allocate(&frame), TESSERA_OK)
      var space = tessera_space()
      withUnsafeMutablePointer(to: &space) { space in
        expect(tessera_space_create(space), TESSERA_OK)
        expect(tessera_map(space, page, frame, readWrite, nil), TESSERA_OK)
        expect(tessera_drop(frame), TESSERA_ERROR_NO_HANDLE)
        var target: UInt64 = 0
        var flags: UInt32 = 0
        expect(tessera_translate(space, page + 0x123, &target, &flags), TESSERA_OK)
        #expect(target == frame + 0x123)
        #expect(flags == UInt32(TESSERA_READ | TESSERA_WRITE | TESSERA_USER))
        var info = tessera_frame_info()
        info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
        expect(tessera_frame_query(frame, &info), TESSERA_OK)
        #expect(info.references == 1 && info.handles == 0)
        #expect(Int(info.usage) == TESSERA_FRAME_CLIENT)
        var unmapped: UInt64 = 0
        expect(tessera_unmap(space, page, 4096, &unmapped), TESSERA_OK)
        #expect(unmapped == 4096)
        expect(tessera_frame_query(frame, &info), TESSERA_OK)
        #expect(Int(info.usage) == TESSERA_FRAME_FREE)
        expect(tessera_space_destroy(space), TESSERA_OK)
      }
      #expect(machine.violations == "")
    }

    @Test func `an error reports the page that is already mapped`() throws {
      var space = tessera_space()
      withUnsafeMutablePointer(to: &space) { space in
        expect(tessera_space_create(space), TESSERA_OK)
        expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
        var frame: tessera_frame = 0
        expect(tessera_allocate(&frame), TESSERA_OK)
        var conflict = tessera_conflict()
        expect(
          tessera_map(space, page + 0x2000, frame, readWrite, &conflict),
          TESSERA_ERROR_ALREADY_MAPPED)
        #expect(conflict.address == page + 0x2000)
        #expect(conflict.level == 1)
        #expect(conflict.entry & 1 == 1)
        expect(
          tessera_replace(space, page + 0x5000, frame, readWrite, &conflict),
          TESSERA_ERROR_NOT_MAPPED)
        #expect(conflict.address == page + 0x5000 && conflict.entry == 0)
        // The caller still has the handle.
        expect(tessera_drop(frame), TESSERA_OK)
        expect(tessera_space_destroy(space), TESSERA_OK)
      }
      #expect(machine.violations == "")
    }

    @Test func `dropping the last reference calls the kernel's destructor`() {
      var request = tessera_request()
      request.size = UInt64(MemoryLayout<tessera_request>.size)
      request.on_free = { frame, data in
        guard let data else { return }
        let words = data.assumingMemoryBound(to: UInt64.self)
        UnsafeMutablePointer<UInt64>(bitPattern: UInt(words[0]))?.pointee = frame
      }
      var frame: tessera_frame = 0
      var freed: UInt64 = 0
      expect(tessera_allocate_as(&request, &frame), TESSERA_OK)
      withUnsafeMutablePointer(to: &freed) { freed in
        let data = tessera_frame_data(frame)!.assumingMemoryBound(to: UInt64.self)
        #expect(data[0] == 0 && data[1] == 0 && data[2] == 0)
        data[0] = UInt64(UInt(bitPattern: freed))
        expect(tessera_drop(frame), TESSERA_OK)
      }
      #expect(freed == frame)
    }

    @Test func `a run of frames is contiguous and is dropped frame by frame`() {
      let free = machine.freeFrames
      var request = tessera_request()
      request.size = UInt64(MemoryLayout<tessera_request>.size)
      request.count = 5
      var first: tessera_frame = 0
      expect(tessera_allocate_as(&request, &first), TESSERA_OK)
      expect(tessera_drop(first + 0x2000), TESSERA_OK)
      expect(tessera_drop_run(first, 5), TESSERA_ERROR_NO_HANDLE)
      expect(tessera_drop_run(first, 2), TESSERA_OK)
      expect(tessera_drop_run(first + 0x3000, 2), TESSERA_OK)
      #expect(machine.freeFrames == free)
    }

    @Test func `a cursor flushes its changes when it is closed`() {
      var space = tessera_space()
      var cursor = tessera_cursor()
      withUnsafeMutablePointer(to: &space) { space in
        withUnsafeMutablePointer(to: &cursor) { cursor in
          expect(tessera_space_create(space), TESSERA_OK)
          let free = machine.freeFrames
          expect(
            tessera_cursor_open(cursor, space, page, 0x8000, UInt32(TESSERA_RESERVE_TABLES)),
            TESSERA_OK)
          expect(tessera_cursor_map_zeroed(cursor, 0x4000, readWrite, nil), TESSERA_OK)
          #expect(tessera_cursor_address(cursor) == page + 0x4000)
          expect(tessera_cursor_set_status(cursor, 0x2000, 77, nil), TESSERA_OK)
          expect(tessera_cursor_jump(cursor, page + 0x4000), TESSERA_OK)
          var found = tessera_page()
          found.size = UInt64(MemoryLayout<tessera_page>.size)
          expect(tessera_cursor_query(cursor, &found), TESSERA_OK)
          #expect(Int(found.content) == TESSERA_PAGE_STATUS && found.status == 77)
          expect(tessera_cursor_jump(cursor, page), TESSERA_OK)
          var count: UInt64 = 0
          expect(
            tessera_cursor_protect(cursor, 0x2000, UInt32(TESSERA_READ), &count), TESSERA_OK)
          #expect(count == 0x2000)
          expect(tessera_cursor_unmap(cursor, 0x6000, &count), TESSERA_OK)
          #expect(count == 0x2000)
          expect(tessera_cursor_unmap(cursor, 0x1000, &count), TESSERA_ERROR_OUT_OF_BOUNDS)
          expect(tessera_cursor_close(cursor), TESSERA_OK)
          expect(tessera_cursor_close(cursor), TESSERA_ERROR_INVALID_CURSOR)
          expect(tessera_space_destroy(space), TESSERA_OK)
          #expect(machine.freeFrames == free + 1)
        }
      }
      #expect(machine.violations == "")
    }

    @Test func `accessed and dirty bits are counted and cleared separately`() {
      let accessed: UInt64 = 0x20
      let dirty: UInt64 = 0x40
      var space = tessera_space()
      var cursor = tessera_cursor()
      withUnsafeMutablePointer(to: &space) { space in
        expect(tessera_space_create(space), TESSERA_OK)
        expect(tessera_map_zeroed(space, page, 0x4000, readWrite, nil), TESSERA_OK)
        var table = tessera_space_root(space)
        for shift in [39, 30, 21] as [UInt64] {
          table = machine.entry(at: Int(page >> shift & 511), of: table) & 0xf_ffff_ffff_f000
        }
        // Two pages were written, and of one of them the accessed bit has been cleared since.
        let bits = [accessed, accessed | dirty, 0, dirty]
        let expected = [
          (TESSERA_ACCESSED, 0x2000 as UInt64, dirty), (TESSERA_DIRTY, 0x2000, accessed),
          (TESSERA_ACCESSED | TESSERA_DIRTY, 0x3000, 0),
        ]
        for (flags, byteCount, left) in expected {
          for (index, used) in bits.enumerated() {
            let entry = machine.entry(at: index, of: table) & ~(accessed | dirty)
            machine.setEntry(entry | used, at: index, of: table)
          }
          var cleared: UInt64 = 0
          withUnsafeMutablePointer(to: &cursor) { cursor in
            expect(tessera_cursor_open(cursor, space, page, 0x4000, 0), TESSERA_OK)
            expect(
              tessera_cursor_clear_access_bits(cursor, 0x4000, UInt32(flags), &cleared), TESSERA_OK)
            #expect(tessera_cursor_address(cursor) == page + 0x4000)
            expect(tessera_cursor_close(cursor), TESSERA_OK)
          }
          #expect(cleared == byteCount)
          for (index, used) in bits.enumerated() {
            #expect(machine.entry(at: index, of: table) & (accessed | dirty) == used & left)
          }
        }
        expect(tessera_space_destroy(space), TESSERA_OK)
      }
      #expect(machine.violations == "")
    }

    @Test func `a fork copies a space copy-on-write`() {
      var parent = tessera_space()
      var child = tessera_space()
      withUnsafeMutablePointer(to: &parent) { parent in
        withUnsafeMutablePointer(to: &child) { child in
          expect(tessera_space_create(parent), TESSERA_OK)
          expect(tessera_space_create(child), TESSERA_OK)
          expect(tessera_map_zeroed(parent, page, 0x3000, readWrite, nil), TESSERA_OK)
          expect(tessera_copy(child, parent, page, 0x3000, nil), TESSERA_OK)
          expect(tessera_copy(child, parent, page, 0x3000, nil), TESSERA_ERROR_ALREADY_MAPPED)
          for space in [parent, child] {
            var flags: UInt32 = 0
            var target: UInt64 = 0
            expect(tessera_translate(space, page, &target, &flags), TESSERA_OK)
            #expect(flags == UInt32(TESSERA_READ | TESSERA_USER | TESSERA_COPY_ON_WRITE))
          }
          expect(tessera_space_destroy(parent), TESSERA_OK)
          expect(tessera_space_destroy(child), TESSERA_OK)
        }
      }
      #expect(machine.violations == "")
    }

    @Test func `the kernel virtual area allocates and frees memory`() {
      let free = machine.freeFrames
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(10_000, readWrite, &address), TESSERA_OK)
      let start = UInt64(UInt(bitPattern: address))
      #expect(start >> 47 == 0x1_ffff)
      expect(tessera_kernel_free(address, 0x4000), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_kernel_free(address, 10_000), TESSERA_OK)
      expect(tessera_kernel_free(address, 10_000), TESSERA_ERROR_NOT_MAPPED)
      expect(
        tessera_kernel_map_device(
          0xffff_0000, 0x1000, readWrite | UInt32(TESSERA_UNCACHEABLE), &address),
        TESSERA_OK)
      expect(tessera_kernel_free(address, 0x1000), TESSERA_OK)
      #expect(machine.freeFrames == free)
      #expect(machine.violations == "")
    }

    @Test func `dumps and walks print lines of text`() {
      var space = tessera_space()
      withUnsafeMutablePointer(to: &space) { space in
        expect(tessera_space_create(space), TESSERA_OK)
        expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
        let dump = gathering { tessera_dump(space, $0, $1) }
        #expect(dump.contains("0x0000008000000000-0x0000008000003000    12 KiB  rw- u - wb 4K"))
        let json = gathering { tessera_dump_json(space, $0, $1) }
        #expect(json.contains("\"start\":\"0x8000000000\""))
        let walk = gathering { tessera_print_walk(space, page + 0x3000, $0, $1) }
        #expect(walk.contains("absent"))
        expect(tessera_space_destroy(space), TESSERA_OK)
      }
    }

    @Test func `the dump of the kernel's space has its low addresses too`() {
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(0x2000, readWrite, &address), TESSERA_OK)
      let kernel = tessera_kernel_space()
      let dump = gathering { tessera_dump(kernel, $0, $1) }
      #expect(dump.contains("0x0000000040000000-0x0000000040800000  8192 KiB"))
      #expect(dump.contains("  2 ranges, 8,200 KiB mapped"))
      let json = gathering { tessera_dump_json(kernel, $0, $1) }
      #expect(json.contains("\"start\":\"0x40000000\""))
      expect(tessera_kernel_free(address, 0x2000), TESSERA_OK)
    }

    @Test func `memory of the loader is reclaimed except for tables in use`() {
      // The tables are in use: the kernel's low addresses are adopted.
      expect(tessera_add_memory(LoadedMachine.tables[0], 0x4000), TESSERA_ERROR_IN_USE)
      let free = machine.freeFrames
      expect(tessera_add_memory(LoadedMachine.tables[0] + 0x3000, 0x1000), TESSERA_OK)
      #expect(machine.freeFrames == free + 1)
      expect(tessera_add_memory(LoadedMachine.image.lowerBound, 0x1_0000), TESSERA_OK)
      #expect(machine.freeFrames == free + 17)
      expect(
        tessera_add_memory(LoadedMachine.image.lowerBound, 0x1_0000), TESSERA_ERROR_NOT_CLIENT)
      #expect(machine.violations == "")
    }
  }
}
