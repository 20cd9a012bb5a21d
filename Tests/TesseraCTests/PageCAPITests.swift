import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Operations on a page, a run of pages and a cursor, and the mappings that result.
  @Suite("Mappings in C") struct PageCAPITests {
    let machine: LoadedMachine
    let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 2)
    let cursor = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 2)
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    let page: UInt64 = 0x80_0000_0000
    let device: UInt64 = 0xffff_0000

    init() throws {
      machine = try LoadedMachine.started()
      space.initialize(repeating: tessera_space(), count: 2)
      cursor.initialize(repeating: tessera_cursor(), count: 2)
      expect(tessera_space_create(space), TESSERA_OK)
      expect(tessera_space_create(space + 1), TESSERA_OK)
    }

    /// Destroys the spaces, and checks that `free` frames are free.
    private func end(_ free: UInt64) {
      expect(tessera_space_destroy(space), TESSERA_OK)
      expect(tessera_space_destroy(space + 1), TESSERA_OK)
      #expect(machine.freeFrames == free + 2, "the two roots as well")
      #expect(machine.violations == "")
      space.deallocate()
      cursor.deallocate()
    }

    private func query(_ address: UInt64) -> tessera_page {
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(space, address, &found), TESSERA_OK)
      return found
    }

    private func allocate(_ count: UInt64 = 1) -> tessera_frame {
      var request = tessera_request()
      request.size = UInt64(MemoryLayout<tessera_request>.size)
      request.count = count
      var frame: tessera_frame = 0
      expect(tessera_allocate_as(&request, &frame), TESSERA_OK)
      return frame
    }

    /// The runs in the `length` bytes from the page: address, length, content, status.
    private func runs(_ length: UInt64) -> [[UInt64]] {
      var runs: [[UInt64]] = []
      withUnsafeMutablePointer(to: &runs) { place in
        let status = tessera_visit(
          space, page, length,
          { context, run in
            guard let context, let run = run?.pointee else { return }
            let line = [run.address, run.length, UInt64(run.content), UInt64(run.status)]
            context.assumingMemoryBound(to: [[UInt64]].self).pointee.append(line)
          }, place)
        expect(status, TESSERA_OK)
      }
      return runs
    }

    @Test func `queries find runs of frames and statuses, by page and by run`() {
      let free = machine.freeFrames
      let first = allocate(3)
      expect(tessera_map_run(space, page, first, 3, readWrite, nil), TESSERA_OK)
      expect(tessera_set_status(space, page + 0x4000, 0x1000, 9, nil), TESSERA_OK)
      for index in 0..<3 as Range<UInt64> {
        let found = query(page + index << 12)
        #expect(found.address == page + index << 12 && found.length == 0x1000)
        #expect(found.physical == first + index << 12 && found.page_size == 0x1000)
        #expect(Int(found.content) == TESSERA_PAGE_FRAME)
        #expect(Int(found.flags) == TESSERA_READ | TESSERA_WRITE | TESSERA_USER)
      }
      #expect(Int(query(page + 0x3000).content) == TESSERA_PAGE_ABSENT)
      #expect(Int(query(page + 0x4000).content) == TESSERA_PAGE_STATUS)
      #expect(query(page + 0x4000).status == 9)
      #expect(
        runs(0x6000) == [
          [page, 0x3000, UInt64(TESSERA_PAGE_FRAME), 0],
          [page + 0x3000, 0x1000, UInt64(TESSERA_PAGE_ABSENT), 0],
          [page + 0x4000, 0x1000, UInt64(TESSERA_PAGE_STATUS), 9],
          [page + 0x5000, 0x1000, UInt64(TESSERA_PAGE_ABSENT), 0],
        ])
      var unmapped: UInt64 = 0
      expect(tessera_unmap(space, page, 0x6000, &unmapped), TESSERA_OK)
      #expect(unmapped == 0x3000)
      #expect(runs(0x6000) == [[page, 0x6000, UInt64(TESSERA_PAGE_ABSENT), 0]])
      end(free)
    }

    @Test func `a cursor maps frames, runs and devices, replaces and finds them`() {
      let free = machine.freeFrames
      let frames = (0..<2).map { _ in allocate() }
      let first = allocate(2)
      var isFound = false
      expect(tessera_cursor_open(cursor, space, page, 0x8000, 0), TESSERA_OK)
      expect(tessera_cursor_jump(cursor, page + 0x1000), TESSERA_OK)
      expect(tessera_cursor_map(cursor, frames[0], readWrite, nil), TESSERA_OK)
      expect(tessera_cursor_map_run(cursor, first, 2, readWrite, nil), TESSERA_OK)
      expect(tessera_cursor_map_device(cursor, device, 0x1000, readWrite, nil), TESSERA_OK)
      #expect(tessera_cursor_address(cursor) == page + 0x5000)
      expect(tessera_cursor_find_next(cursor, 0x3000, &isFound), TESSERA_OK)
      #expect(!isFound && tessera_cursor_address(cursor) == page + 0x8000)
      expect(tessera_cursor_jump(cursor, page), TESSERA_OK)
      expect(tessera_cursor_find_next(cursor, 0x8000, &isFound), TESSERA_OK)
      #expect(isFound && tessera_cursor_address(cursor) == page + 0x1000)
      expect(tessera_cursor_replace(cursor, frames[1], readWrite, nil), TESSERA_OK)
      #expect(tessera_cursor_address(cursor) == page + 0x2000)
      expect(tessera_cursor_close(cursor), TESSERA_OK)

      let targets = (1..<5 as Range<UInt64>).map { query(page + $0 << 12).physical }
      #expect(targets == [frames[1], first, first + 0x1000, device])
      #expect(Int(query(page + 0x4000).content) == TESSERA_PAGE_DEVICE)
      var info = tessera_frame_info()
      info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      expect(tessera_frame_query(frames[0], &info), TESSERA_OK)
      #expect(Int(info.usage) == TESSERA_FRAME_FREE, "the replaced frame is free")
      end(free)
    }

    @Test func `a writable and executable page that was requested is no violation`() {
      let free = machine.freeFrames
      let all = UInt32(TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE | TESSERA_ALLOW_WX)
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(4096, all, &address), TESSERA_OK)
      expect(tessera_map_zeroed(space, page, 4096, all, nil), TESSERA_OK)
      #expect(machine.violations == "")
      for space in [space, tessera_kernel_space()!] {
        var count: UInt64 = 1
        expect(tessera_audit_space(space, { _, _, _ in }, nil, &count), TESSERA_OK)
        #expect(count == 0)
      }
      expect(tessera_kernel_free(address, 4096), TESSERA_OK)
      end(free)
    }

    @Test func `a cursor does not move when an operation fails`() {
      let free = machine.freeFrames
      let mapped = page + 0x3000
      expect(tessera_map_zeroed(space, mapped, 0x1000, readWrite, nil), TESSERA_OK)
      let run = allocate(4)
      var conflict = tessera_conflict()
      expect(tessera_cursor_open(cursor, space, page, 0x8000, 0), TESSERA_OK)
      for position in [page, page + 0x2000] {
        expect(tessera_cursor_jump(cursor, position), TESSERA_OK)
        let results = [
          tessera_cursor_map_zeroed(cursor, 0x4000, readWrite, &conflict),
          tessera_cursor_map_run(cursor, run, 4, readWrite, &conflict),
          tessera_cursor_map_device(cursor, device, 0x4000, readWrite, &conflict),
          tessera_cursor_set_status(cursor, 0x4000, 5, &conflict),
        ]
        for result in results { expect(result, TESSERA_ERROR_ALREADY_MAPPED) }
        #expect(conflict.address == mapped && conflict.level == 1)
        #expect(tessera_cursor_address(cursor) == position)
        // Nothing is mapped there, and the frame keeps its handle.
        expect(
          tessera_cursor_replace(cursor, run, readWrite, &conflict), TESSERA_ERROR_NOT_MAPPED)
        #expect(conflict.address == position)
      }
      expect(tessera_cursor_close(cursor), TESSERA_OK)
      expect(tessera_drop_run(run, 4), TESSERA_OK)
      end(free)
    }

    @Test func `a copy that meets a mapping changes nothing and moves neither cursor`() {
      let free = machine.freeFrames
      let target = page + 0x8000
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      expect(tessera_map_zeroed(space + 1, target + 0x2000, 0x1000, readWrite, nil), TESSERA_OK)
      expect(tessera_cursor_open(cursor, space, page, 0x4000, 0), TESSERA_OK)
      expect(tessera_cursor_open(cursor + 1, space + 1, target, 0x4000, 0), TESSERA_OK)
      var conflict = tessera_conflict()
      expect(
        tessera_cursor_copy(cursor + 1, cursor, 0x3000, &conflict), TESSERA_ERROR_ALREADY_MAPPED)
      #expect(conflict.address == target + 0x2000 && conflict.level == 1)
      #expect(tessera_cursor_address(cursor) == page)
      #expect(tessera_cursor_address(cursor + 1) == target)
      // What is before the mapping can still be copied, so nothing of it was.
      expect(tessera_cursor_copy(cursor + 1, cursor, 0x2000, nil), TESSERA_OK)
      expect(tessera_cursor_close(cursor + 1), TESSERA_OK)
      expect(tessera_cursor_close(cursor), TESSERA_OK)
      end(free)
    }

    @Test func `a cursor copies no further than either cursor reaches`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page, 0x4000, readWrite, nil), TESSERA_OK)
      for (source, target) in [(0x4000, 0x2000), (0x2000, 0x4000)] as [(UInt64, UInt64)] {
        expect(tessera_cursor_open(cursor, space, page, source, 0), TESSERA_OK)
        expect(tessera_cursor_open(cursor + 1, space + 1, page, target, 0), TESSERA_OK)
        expect(
          tessera_cursor_copy(cursor + 1, cursor, 0x3000, nil), TESSERA_ERROR_OUT_OF_BOUNDS)
        #expect(tessera_cursor_address(cursor) == page)
        #expect(tessera_cursor_address(cursor + 1) == page)
        expect(tessera_cursor_close(cursor + 1), TESSERA_OK)
        expect(tessera_cursor_close(cursor), TESSERA_OK)
      }
      #expect(Int(query(page).flags) & TESSERA_COPY_ON_WRITE == 0)
      end(free)
    }

    @Test func `a change by mask sets and clears flags, and tells what changed`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      expect(tessera_protect(space, page, 0x1000, UInt32(TESSERA_NO_ACCESS), nil), TESSERA_OK)
      let software = UInt32(TESSERA_SOFTWARE)
      var changed: UInt64 = 0
      expect(
        tessera_change(space, page, 0x4000, software, UInt32(TESSERA_WRITE), &changed), TESSERA_OK)
      #expect(changed == 0x3000)
      expect(tessera_change(space, page, 0x4000, software, 0, &changed), TESSERA_OK)
      #expect(changed == 0)
      // What is in both masks is set: it is cleared first.
      let writing = UInt32(TESSERA_WRITE)
      expect(
        tessera_change(
          space, page + 0x2000, 0x1000, writing, UInt32(TESSERA_EXECUTE) | writing, nil),
        TESSERA_OK)
      #expect(Int(query(page + 0x2000).flags) & TESSERA_WRITE != 0)
      expect(tessera_change(space, page + 0x2000, 0x1000, 0, writing, nil), TESSERA_OK)
      let user = TESSERA_USER | TESSERA_SOFTWARE
      #expect(Int(query(page).flags) == user)
      #expect(Int(query(page + 0x1000).flags) == user | TESSERA_READ)
      expect(tessera_cursor_open(cursor, space, page, 0x3000, 0), TESSERA_OK)
      expect(
        tessera_cursor_change(
          cursor, 0x2000, UInt32(TESSERA_READ | TESSERA_WRITE | TESSERA_WRITE_COMBINING),
          UInt32(TESSERA_EXECUTE | TESSERA_CACHE_POLICY | 3 * TESSERA_SOFTWARE), &changed),
        TESSERA_OK)
      #expect(changed == 0x2000)
      #expect(tessera_cursor_address(cursor) == page + 0x2000)
      expect(tessera_cursor_close(cursor), TESSERA_OK)
      let combining = TESSERA_READ | TESSERA_WRITE | TESSERA_WRITE_COMBINING | TESSERA_USER
      #expect(Int(query(page).flags) == combining)
      #expect(Int(query(page + 0x2000).flags) == user | TESSERA_READ)
      end(free)
    }

    @Test func `pages that were shared without access, or read-only, do not become writable`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      expect(tessera_protect(space, page, 0x1000, UInt32(TESSERA_NO_ACCESS), nil), TESSERA_OK)
      expect(tessera_protect(space, page + 0x1000, 0x1000, UInt32(TESSERA_READ), nil), TESSERA_OK)
      expect(tessera_copy(space + 1, space, page, 0x3000, nil), TESSERA_OK)
      let copyOnWrite = TESSERA_USER | TESSERA_COPY_ON_WRITE
      #expect(Int(query(page).flags) == copyOnWrite)
      #expect(Int(query(page + 0x1000).flags) == TESSERA_USER | TESSERA_READ)
      #expect(Int(query(page + 0x2000).flags) == copyOnWrite | TESSERA_READ)
      for space in [space, space + 1] {
        expect(tessera_protect(space, page, 0x3000, readWrite, nil), TESSERA_OK)
        for offset in [0, 0x1000, 0x2000] as [UInt64] {
          var physical: UInt64 = 0
          var flags: UInt32 = 0
          expect(tessera_translate(space, page + offset, &physical, &flags), TESSERA_OK)
          #expect(Int(flags) == copyOnWrite | TESSERA_READ)
        }
      }
      expect(tessera_unmap(space + 1, page, 0x3000, nil), TESSERA_OK)
      expect(tessera_protect(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      for offset in [0, 0x1000, 0x2000] as [UInt64] {
        #expect(Int(query(page + offset).flags) == Int(readWrite) | TESSERA_USER)
      }
      end(free)
    }

    @Test func `mapping more zeroed memory than there is allocates nothing`() {
      let free = machine.freeFrames
      let calls =
        [
          { tessera_map_zeroed(space, page, $0, readWrite, nil) },
          { length in
            expect(tessera_cursor_open(cursor, space, page, 1 << 40, 0), TESSERA_OK)
            defer { expect(tessera_cursor_close(cursor), TESSERA_OK) }
            return tessera_cursor_map_zeroed(cursor, length, readWrite, nil)
          },
        ] as [(UInt64) -> tessera_result]
      for call in calls {
        for length in [(free + 1) << 12, 1 << 30, 1 << 40] as [UInt64] {
          // Every allocation would fail, and be noticed.
          simulated_fail_allocation(1)
          expect(call(length), TESSERA_ERROR_OUT_OF_FRAMES)
          #expect(simulated_failed_allocations() == 0, "something was allocated")
          simulated_fail_allocation(0)
          #expect(machine.freeFrames == free)
        }
      }
      end(free)
    }

    @Test func `a mapping in the way of zeroed memory is found before anything is allocated`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page + 0x5000, 0x1000, readWrite, nil), TESSERA_OK)
      var conflict = tessera_conflict()
      simulated_fail_allocation(1)
      expect(
        tessera_map_zeroed(space, page, 0x8000, readWrite, &conflict),
        TESSERA_ERROR_ALREADY_MAPPED)
      #expect(simulated_failed_allocations() == 0, "something was allocated")
      simulated_fail_allocation(0)
      #expect(conflict.address == page + 0x5000)
      end(free)
    }

    @Test func `zeroed memory that runs out half way is freed`() {
      let free = machine.freeFrames
      var ordinal: UInt64 = 1
      while ordinal < 40 {
        simulated_fail_allocation(ordinal)
        let status = Int(tessera_map_zeroed(space, page, 0x8000, readWrite, nil))
        let hasFailed = simulated_failed_allocations() != 0
        simulated_fail_allocation(0)
        #expect(status == (hasFailed ? TESSERA_ERROR_OUT_OF_FRAMES : TESSERA_OK))
        if !hasFailed { break }
        #expect(machine.freeFrames == free)
        #expect(runs(0x8000) == [[page, 0x8000, UInt64(TESSERA_PAGE_ABSENT), 0]])
        ordinal += 1
      }
      #expect(ordinal == 8 + 3 + 1, "frames, and tables of three levels")
      end(free)
    }

    @Test func `the audits report what is wrong, and nothing once it is right`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page, 0x1000, readWrite, nil), TESSERA_OK)
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(4096, readWrite, &address), TESSERA_OK)
      let kernelPage = UInt64(UInt(bitPattern: address))
      func table(_ address: UInt64) -> UInt64 {
        var table = tessera_space_root(space)
        for shift in [39, 30, 21] as [UInt64] {
          table = machine.entry(at: Int(address >> shift & 511), of: table) & 0xf_ffff_ffff_f000
        }
        return table
      }
      // The user bit is flipped.
      for (address, isKernel) in [(page, false), (kernelPage, true)] {
        let (leafTable, index) = (table(address), Int(address >> 12 & 511))
        let entry = machine.entry(at: index, of: leafTable)
        machine.setEntry(entry ^ 4, at: index, of: leafTable)
        var count: UInt64 = 0
        let text = gathering { write, context in
          isKernel
            ? tessera_audit(write, context, &count)
            : tessera_audit_space(space, write, context, &count)
        }
        #expect(count == 1)
        #expect(text.contains("user page in the kernel's half, or kernel page in the user half"))
        #expect(text.contains(String(address, radix: 16)))
        machine.setEntry(entry, at: index, of: leafTable)
      }
      #expect(machine.violations == "")
      expect(tessera_kernel_free(address, 4096), TESSERA_OK)
      end(free)
    }

    @Test func `a copy between cursors makes both mappings read-only`() {
      let free = machine.freeFrames
      expect(tessera_map_zeroed(space, page, 0x2000, readWrite, nil), TESSERA_OK)
      expect(tessera_cursor_open(cursor, space, page, 0x4000, 0), TESSERA_OK)
      expect(tessera_cursor_open(cursor + 1, space + 1, page + 0x8000, 0x4000, 0), TESSERA_OK)
      expect(tessera_cursor_copy(cursor + 1, cursor, 0x2000, nil), TESSERA_OK)
      #expect(tessera_cursor_address(cursor) == page + 0x2000)
      #expect(tessera_cursor_address(cursor + 1) == page + 0xa000)
      expect(tessera_cursor_close(cursor + 1), TESSERA_OK)
      expect(tessera_cursor_close(cursor), TESSERA_OK)
      for offset in [0, 0x1fff] as [UInt64] {
        var targets: [UInt64] = [0, 1]
        var flags: [UInt32] = [0, 0]
        expect(tessera_translate(space, page + offset, &targets[0], &flags[0]), TESSERA_OK)
        expect(
          tessera_translate(space + 1, page + 0x8000 + offset, &targets[1], &flags[1]), TESSERA_OK)
        #expect(targets[0] == targets[1])
        let shared = UInt32(TESSERA_READ | TESSERA_USER | TESSERA_COPY_ON_WRITE)
        #expect(flags == [shared, shared])
      }
      end(free)
    }
  }
}
