import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import TesseraPageTables
import Testing

extension OnSimulatedMachine {
  /// Calls on long ranges, which work in pieces: what an error leaves, alone and if another thread
  /// comes between two pieces.
  @Suite("Pieces in C") struct PiecesTests {
    let world: MisuseWorld
    private let page = MisuseWorld.unmappedPage
    private let length: UInt64 = 900 * 4096
    private let kernelSpace: UnsafeMutablePointer<tessera_space>

    init() throws {
      world = try MisuseWorld()
      kernelSpace = tessera_kernel_space()
    }

    private var dump: String {
      gathering { [space = world.space] in tessera_dump(space, $0, $1) }
    }

    private func content(_ address: UInt64) -> Int {
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(world.space, address, &found), TESSERA_OK)
      return Int(found.content)
    }

    /// Calls `call` with each of its allocations failing in turn, until it succeeds: each failure
    /// has changed nothing. Then undoes it. Returns the number of failures.
    private func failEachAllocation(
      _ call: () -> tessera_result, undo: () -> Void
    ) -> Int {
      let (before, free) = (dump, world.machine.freeFrames)
      var ordinal: UInt64 = 0
      while true {
        ordinal += 1
        simulated_fail_allocation(ordinal)
        let result = call()
        let hasFailed = simulated_failed_allocations() > 0
        simulated_fail_allocation(0)
        if !hasFailed {
          expect(result, TESSERA_OK)
          break
        }
        expect(result, TESSERA_ERROR_OUT_OF_FRAMES)
        #expect(dump == before, "allocation \(ordinal)")
        #expect(world.machine.freeFrames == free, "allocation \(ordinal)")
      }
      undo()
      #expect(dump == before && world.machine.freeFrames == free)
      return Int(ordinal) - 1
    }

    private func unmapAll() { expect(tessera_unmap(world.space, page, length, nil), TESSERA_OK) }

    private func run(of count: UInt64) -> tessera_frame {
      var request = world.request
      request.count = count
      var first: tessera_frame = 0
      expect(tessera_allocate_as(&request, &first), TESSERA_OK)
      return first
    }

    @Test func `a long call without a frame for it changes nothing`() {
      let (space, flags) = (world.space, world.readWrite)
      let zeroed = failEachAllocation {
        tessera_map_zeroed(space, page, length, flags, nil)
      } undo: {
        unmapAll()
      }
      #expect(zeroed > 900)
      let first = run(of: 900)
      let mapped = failEachAllocation {
        tessera_map_run(space, page, first, 900, flags, nil)
      } undo: {
        for index in 0..<900 as Range<UInt64> {
          expect(tessera_share(first + index * 4096), TESSERA_OK)
        }
        unmapAll()
      }
      #expect(mapped >= 2)
      expect(tessera_drop_run(first, 900), TESSERA_OK)
      // More than two pages of 1 GiB, not aligned, so that there are pages of 4 KiB at both ends.
      let gigabytes: UInt64 = 0x8020_3000
      let device = failEachAllocation {
        tessera_map_device(space, 0x8f_7fff_f000, 0x10_3fff_f000, gigabytes, flags, nil)
      } undo: {
        expect(tessera_unmap(space, 0x8f_7fff_f000, gigabytes, nil), TESSERA_OK)
      }
      #expect(device >= 4)
    }

    @Test func `a long call that fails at its last page has mapped none before it`() {
      let (space, page, length, flags) = (world.space, page, length, world.readWrite)
      expect(tessera_map_zeroed(space, page + length - 4096, 4096, flags, nil), TESSERA_OK)
      expect(tessera_space_activate(space), TESSERA_OK)
      /// Pages that it had mapped would have been unmapped and flushed.
      func fails(_ call: () -> tessera_result) {
        let flushed = FlushStatistics.pageCount
        expect(call(), TESSERA_ERROR_ALREADY_MAPPED)
        #expect(FlushStatistics.pageCount == flushed)
      }
      fails { tessera_map_zeroed(space, page, length, flags, nil) }
      fails { tessera_map_device(space, page, 0x10_0000_1000, length, flags, nil) }
      let first = run(of: 900)
      fails { tessera_map_run(space, page, first, 900, flags, nil) }
      expect(tessera_drop_run(first, 900), TESSERA_OK)
      expect(tessera_space_activate(kernelSpace), TESSERA_OK)
    }

    @Test func `a long change that must split both ends changes nothing without frames for that`() {
      let (space, flags) = (world.space, world.readWrite)
      let start: UInt64 = 0x90_0000_0000
      // More pages of 1 GiB than one piece has.
      let length: UInt64 = 200 << 30
      let end = start + length
      expect(
        tessera_map_device(space, start, 0x10_0000_0000, length, flags, nil), TESSERA_OK)
      let (cut, cutLength) = (start + 0x1000, length - 0x2000)
      for isUnmap in [false, true] {
        let before = dump
        var failures = 0
        while true {
          simulated_fail_allocation(UInt64(failures + 1))
          let result =
            isUnmap
            ? tessera_unmap(space, cut, cutLength, nil)
            : tessera_protect(space, cut, cutLength, UInt32(TESSERA_READ), nil)
          let hasFailed = simulated_failed_allocations() > 0
          simulated_fail_allocation(0)
          if !hasFailed { break }
          failures += 1
          expect(result, TESSERA_ERROR_OUT_OF_FRAMES)
          #expect(dump == before)
        }
        // Pages of 1 GiB at both ends become tables of 2 MiB and of 4 KiB, once.
        #expect(failures == (isUnmap ? 0 : 4))
      }
      #expect(content(start) == TESSERA_PAGE_DEVICE && content(end - 4096) == TESSERA_PAGE_DEVICE)
      #expect(content(cut) == TESSERA_PAGE_ABSENT)
      expect(tessera_unmap(space, start, length, nil), TESSERA_OK)
      world.checkUnchanged("changes of 200 GiB")
    }

    /// Has another thread map a page in the middle, at every point of `map`, which maps `length`
    /// bytes at `page`. Either that thread fails, or `map` does and has then mapped nothing.
    private func demandAllOrNothing(_ map: () -> tessera_result, ifItFailed check: () -> Void) {
      let (space, flags) = (world.space, world.readWrite)
      let middle = page + 700 * 4096
      var wins = 0
      nonisolated(unsafe) var other = tessera_result(TESSERA_OK)
      let points = OtherThread.runsEverywhere {
        other = tessera_map_zeroed(space, middle, 4096, flags, nil)
      } during: {
        other = tessera_result(TESSERA_ERROR_NOT_MAPPED)
        return map()
      } then: { result in
        if Int(other) == TESSERA_OK {
          expect(result, TESSERA_ERROR_ALREADY_MAPPED)
          var unmapped: UInt64 = 0
          expect(tessera_unmap(space, page, length, &unmapped), TESSERA_OK)
          #expect(unmapped == 4096)
          check()
        } else {
          expect(result, TESSERA_OK)
          if Int(other) == TESSERA_ERROR_ALREADY_MAPPED { wins += 1 }
          unmapAll()
        }
      }
      #expect(points > 4 && wins > 0 && wins < points)
    }

    @Test func `a page that another thread maps meanwhile makes a long call map nothing`() {
      let (space, flags) = (world.space, world.readWrite)
      let (page, length) = (page, length)
      var conflict = tessera_conflict()
      demandAllOrNothing {
        tessera_map_zeroed(space, page, length, flags, &conflict)
      } ifItFailed: {
        #expect(conflict.address == page + 700 * 4096)
      }
      world.checkUnchanged("interrupted calls of map_zeroed")
      demandAllOrNothing {
        tessera_map_device(space, page, 0x10_0000_1000, length, flags, nil)
      } ifItFailed: {
      }
      world.checkUnchanged("interrupted calls of map_device")
    }

    @Test func `a page that another thread maps meanwhile leaves the handles of a run`() {
      let (space, flags) = (world.space, world.readWrite)
      let first = run(of: 900)
      demandAllOrNothing {
        for index in 0..<900 as Range<UInt64> {
          expect(tessera_share(first + index * 4096), TESSERA_OK)
        }
        return tessera_map_run(space, page, first, 900, flags, nil)
      } ifItFailed: {
        expect(tessera_drop_run(first, 900), TESSERA_OK)
      }
      expect(tessera_drop_run(first, 900), TESSERA_OK)
      world.checkUnchanged("interrupted calls of map_run")
    }

    @Test func `what another thread has put in place of a page stays if a long call fails`() {
      let (space, flags) = (world.space, world.readWrite)
      let (page, length) = (page, length)
      nonisolated(unsafe) var isReplaced = false
      var replaced = 0
      _ = OtherThread.runsEverywhere {
        isReplaced = Int(tessera_unmap(space, page, 4096, nil)) == TESSERA_OK
        expect(tessera_map_zeroed(space, page, 4096, flags, nil), TESSERA_OK)
        _ = tessera_map_zeroed(space, page + 700 * 4096, 4096, flags, nil)
      } during: {
        isReplaced = false
        return tessera_map_zeroed(space, page, length, flags, nil)
      } then: { result in
        if isReplaced && Int(result) == TESSERA_ERROR_ALREADY_MAPPED {
          replaced += 1
          #expect(content(page) == TESSERA_PAGE_FRAME)
          #expect(content(page + 4096) == TESSERA_PAGE_ABSENT)
        }
        unmapAll()
      }
      #expect(replaced > 0)
      world.checkUnchanged("pages that were replaced meanwhile")
    }

    @Test func `a status is set up to the page that another thread has mapped`() {
      let (space, flags) = (world.space, world.readWrite)
      let (page, length) = (page, length)
      // There is a table, so that the pieces are short.
      expect(tessera_map_zeroed(space, page + length, 4096, flags, nil), TESSERA_OK)
      var failures = 0
      var conflict = tessera_conflict()
      _ = OtherThread.runsEverywhere {
        _ = tessera_unmap(space, page + 700 * 4096, 4096, nil)
        expect(tessera_map_zeroed(space, page + 700 * 4096, 4096, flags, nil), TESSERA_OK)
      } during: {
        tessera_set_status(space, page, length, 5, &conflict)
      } then: { result in
        if Int(result) == TESSERA_ERROR_ALREADY_MAPPED {
          failures += 1
          #expect(conflict.address == page + 700 * 4096)
        }
        unmapAll()
      }
      #expect(failures > 1)
      expect(tessera_unmap(space, page + length, 4096, nil), TESSERA_OK)
      world.checkUnchanged("statuses")
    }

    @Test func `kernel memory is found elsewhere if another thread takes the addresses`() {
      let (flags, length) = (world.readWrite, length)
      nonisolated(unsafe) var others: UnsafeMutableRawPointer?
      var memory: UnsafeMutableRawPointer?
      let points = OtherThread.runsEverywhere {
        expect(tessera_kernel_allocate(300 * 4096, flags, &others), TESSERA_OK)
      } during: {
        others = nil
        return tessera_kernel_allocate(length, flags, &memory)
      } then: { result in
        expect(result, TESSERA_OK)
        #expect(memory != nil && memory != others)
        expect(tessera_kernel_free(memory, length), TESSERA_OK)
        if others != nil { expect(tessera_kernel_free(others, 300 * 4096), TESSERA_OK) }
      }
      #expect(points > 4)
      world.checkUnchanged("kernel memory")
    }

    @Test func `kernel memory is found elsewhere if another thread maps a page there`() {
      let (kernelSpace, flags, length) = (kernelSpace, world.readWrite, length)
      var memory: UnsafeMutableRawPointer?
      nonisolated(unsafe) var taken: UInt64 = 0
      // Where the next search begins, after the memory and guard pages of the calls before.
      nonisolated(unsafe) var next: UInt64 = 0
      var retries = 0
      let points = OtherThread.runsEverywhere {
        var start: UInt64 = 0
        var end: UInt64 = 0
        expect(tessera_space_bounds(kernelSpace, &start, &end), TESSERA_OK)
        taken = start + next + 700 * 4096
        if Int(tessera_map_zeroed(kernelSpace, taken, 4096, flags, nil)) != TESSERA_OK { taken = 0 }
      } during: {
        taken = 0
        return tessera_kernel_allocate(length, flags, &memory)
      } then: { result in
        expect(result, TESSERA_OK)
        let start = UInt64(UInt(bitPattern: memory))
        if taken != 0 {
          #expect(!(start..<start + length).contains(taken))
          expect(tessera_unmap(kernelSpace, taken, 4096, nil), TESSERA_OK)
          if start > taken { retries += 1 }
        }
        expect(tessera_kernel_free(memory, length), TESSERA_OK)
        next = start + length + 4096 - world.kernelBounds.lowerBound
      }
      #expect(points > 4 && retries > 1)
      world.checkUnchanged("kernel memory")
    }

    /// 512 frames that are unmapped at once or one by one.
    @Test(arguments: [false, true])
    func `what a call unmaps is freed with preemption on`(isReplaced: Bool) {
      let (space, flags) = (world.space, world.readWrite)
      let start: UInt64 = page & ~0x1f_ffff
      var request = world.request
      request.count = 512
      request.on_free = { _, data in
        let words = data!.assumingMemoryBound(to: UInt64.self)
        let freed = UnsafeMutablePointer<(count: Int, protected: Int)>(
          bitPattern: UInt(words[0]))!
        freed.pointee.count += 1
        if simulated_current_processor().pointee.preemption_depth > 0 {
          freed.pointee.protected += 1
        }
      }
      var freed = (count: 0, protected: 0)
      withUnsafeMutablePointer(to: &freed) { freed in
        var first: tessera_frame = 0
        expect(tessera_allocate_as(&request, &first), TESSERA_OK)
        for index in 0..<512 as Range<UInt64> {
          let data = tessera_frame_data(first + index * 4096)!
          data.assumingMemoryBound(to: UInt64.self)[0] = UInt64(UInt(bitPattern: freed))
        }
        expect(tessera_map_run(space, start, first, 512, flags, nil), TESSERA_OK)
        if isReplaced {
          var large = world.request
          large.frame_size = 1 << 21
          var frame: tessera_frame = 0
          expect(tessera_allocate_as(&large, &frame), TESSERA_OK)
          expect(tessera_replace(space, start, frame, flags, nil), TESSERA_OK)
          var found = tessera_page()
          found.size = UInt64(MemoryLayout<tessera_page>.size)
          expect(tessera_query(space, start + 0x5000, &found), TESSERA_OK)
          #expect(found.page_size == 1 << 21, "the table is still there")
        }
        expect(tessera_unmap(space, start, 1 << 21, nil), TESSERA_OK)
      }
      #expect(freed.count == 512 && freed.protected == 0)
      world.checkUnchanged("frames with destructors")
    }

    @Test func `a copy that another thread interrupts can be taken back`() {
      let (space, flags) = (world.space, world.readWrite)
      let (page, length) = (page, length)
      let child = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
      child.initialize(to: tessera_space())
      defer { child.deallocate() }
      expect(tessera_map_zeroed(space, page, length, flags, nil), TESSERA_OK)
      var failures = 0
      let points = OtherThread.runsEverywhere {
        _ = tessera_map_zeroed(child, page + 700 * 4096, 4096, flags, nil)
      } during: {
        expect(tessera_space_create(child), TESSERA_OK)
        return tessera_copy(child, space, page, length, nil)
      } then: { result in
        if Int(result) != TESSERA_OK { failures += 1 }
        expect(tessera_space_destroy(child), TESSERA_OK)
      }
      #expect(points > 4 && failures > 0)
      unmapAll()
      world.checkUnchanged("copies")
    }

    @Test func `a visit may change what it visits`() {
      let (space, flags) = (world.space, world.readWrite)
      expect(tessera_map_zeroed(space, page, length, flags, nil), TESSERA_OK)
      var visited: UInt64 = 0
      let context = Context(space: space)
      let result = withExtendedLifetime(context) {
        tessera_visit(
          space, page, length,
          { context, page in
            let context = Unmanaged<Context>.fromOpaque(context!).takeUnretainedValue()
            context.visited += page!.pointee.length
            expect(
              tessera_unmap(context.space, page!.pointee.address, page!.pointee.length, nil),
              TESSERA_OK)
          }, Unmanaged.passUnretained(context).toOpaque())
      }
      expect(result, TESSERA_OK)
      visited = context.visited
      #expect(visited == length)
      world.checkUnchanged("a visit that unmaps")
    }

    private final class Context {
      let space: UnsafeMutablePointer<tessera_space>
      var visited: UInt64 = 0
      init(space: UnsafeMutablePointer<tessera_space>) { self.space = space }
    }
  }
}
