import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// What the table at the top of the header says of each function.
  @Suite("Contracts in C") struct ContractTests {
    let world: MisuseWorld
    let contracts: HeaderContracts

    init() throws {
      world = try MisuseWorld()
      contracts = try HeaderContracts.current()
    }

    @Test func `every function has a class, and every class a row in the table`() {
      #expect(contracts.withoutClass == [])
      #expect(Set(contracts.classes.values) == contracts.rows)
      #expect(contracts.classes.count > 50)
      let lacking = HeaderContracts(parsing: "/** A comment. */\nint tessera_new(void);")
      #expect(lacking.withoutClass == ["new"])
    }

    /// A function, with a call that succeeds and one that fails.
    struct Calls {
      let name: String
      let succeed: () -> tessera_result
      let fail: () -> tessera_result
      /// Whether it locks page tables.
      var locks = true
      /// How many entries of a new root it writes, which nothing refers to yet.
      var rootWrites = 0
      /// Whether it writes all entries of a leaf table at once, as when a status is split.
      var writesTable = false
    }

    static let page = MisuseWorld.unmappedPage
    private static let length: UInt64 = 600 * 4096

    /// Half of the functions of the class `thread`, in an order in which each finds what it needs.
    private func firstThreadCalls() -> [Calls] {
      let (page, length) = (Self.page, Self.length)
      let (space, flags) = (world.space, world.readWrite)
      let child = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
      child.initialize(to: tessera_space())
      var info = tessera_page()
      info.size = UInt64(MemoryLayout<tessera_page>.size)
      let found = UnsafeMutablePointer<tessera_page>.allocate(capacity: 1)
      found.initialize(to: info)
      return [
        Calls(name: "map_zeroed") {
          tessera_map_zeroed(space, page, length, flags, nil)
        } fail: {
          tessera_map_zeroed(space, page, length, flags, nil)
        },
        Calls(name: "protect") {
          tessera_protect(space, page, length, 1, nil)
        } fail: {
          tessera_protect(space, page, length, 1 << 31, nil)
        },
        Calls(name: "change") {
          tessera_change(space, page, length, UInt32(TESSERA_SOFTWARE), 2, nil)
        } fail: {
          tessera_change(space, page, length, 1 << 31, 0, nil)
        },
        Calls(name: "query") {
          tessera_query(space, page, found)
        } fail: {
          tessera_query(nil, page, found)
        },
        Calls(name: "visit") {
          tessera_visit(space, page, length, { _, _ in }, nil)
        } fail: {
          tessera_visit(space, page, length, nil, nil)
        },
        Calls(
          name: "space_create", succeed: { tessera_space_create(child) },
          fail: { tessera_space_create(child) }, locks: false),
        Calls(name: "copy") {
          tessera_copy(child, space, page, length, nil)
        } fail: {
          tessera_copy(child, space, page, length, nil)
        },
        Calls(
          name: "space_activate", succeed: { tessera_space_activate(tessera_kernel_space()) },
          fail: { tessera_space_activate(nil) }, locks: false),
        Calls(
          name: "space_destroy", succeed: { tessera_space_destroy(child) },
          fail: { tessera_space_destroy(child) }, locks: false),
        Calls(name: "unmap") {
          tessera_unmap(space, page, length, nil)
        } fail: {
          tessera_unmap(space, page + 1, length, nil)
        },
      ]
    }

    /// The others, which come next.
    private func furtherThreadCalls(
      _ memory: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    ) -> [Calls] {
      let (page, length) = (Self.page, Self.length)
      let (space, flags) = (world.space, world.readWrite)
      let frame = world.frame
      let mapped = MisuseWorld.mappedPage
      return [
        Calls(name: "set_status") {
          tessera_set_status(space, page, length, 3, nil)
        } fail: {
          tessera_set_status(space, mapped, 4096, 3, nil)
        },
        Calls(name: "map_device") {
          tessera_unmap(space, page, length, nil)
          return tessera_map_device(space, page, 0xffff_0000, 0x1_0000, flags, nil)
        } fail: {
          tessera_map_device(space, page, 0xffff_0000, 0x1_0000, flags, nil)
        },
        Calls(name: "map") {
          tessera_share(frame)
          return tessera_map(space, page + length, frame, flags, nil)
        } fail: {
          tessera_map(space, page + length, frame, flags, nil)
        },
        Calls(name: "replace") {
          tessera_share(frame)
          return tessera_replace(space, page + length, frame, flags, nil)
        } fail: {
          tessera_replace(space, page + 2 * length, frame, flags, nil)
        },
        Calls(name: "map_run") {
          tessera_share(frame)
          return tessera_map_run(space, page + 2 * length, frame, 1, flags, nil)
        } fail: {
          tessera_map_run(space, page + 2 * length, frame, 1, flags, nil)
        },
        Calls(name: "kernel_allocate") {
          tessera_kernel_allocate(length, flags, memory)
        } fail: {
          tessera_kernel_allocate(1 << 30, flags, memory)
        },
        Calls(name: "kernel_free") {
          tessera_kernel_free(memory.pointee, length)
        } fail: {
          tessera_kernel_free(memory.pointee, length)
        },
        Calls(name: "kernel_map_device") {
          tessera_kernel_map_device(0xffff_0000, 4096, flags, memory)
        } fail: {
          tessera_kernel_map_device(1, 4096, flags, memory)
        },
        Calls(
          name: "add_memory",
          succeed: {
            tessera_add_memory(LoadedMachine.image.lowerBound, 4096)
          },
          fail: { tessera_add_memory(LoadedMachine.image.lowerBound, 4096) }, locks: false),
      ]
    }

    /// Those of memory that Tessera places itself.
    private func placingThreadCalls() -> [Calls] {
      let stack = UnsafeMutablePointer<tessera_kernel_stack>.allocate(capacity: 1)
      stack.initialize(to: tessera_kernel_stack())
      let made = UnsafeMutablePointer<UnsafeMutablePointer<tessera_space>?>.allocate(capacity: 1)
      made.initialize(to: nil)
      return [
        Calls(name: "kernel_stack_allocate") {
          tessera_kernel_stack_allocate(4 * 4096, stack)
        } fail: {
          tessera_kernel_stack_allocate(0, stack)
        },
        Calls(
          name: "kernel_protect",
          succeed: {
            let page = LoadedMachine.directMap + LoadedMachine.image.lowerBound
            return tessera_kernel_protect(UnsafeRawPointer(bitPattern: UInt(page)), 4096, 3)
          }, fail: { tessera_kernel_protect(nil, 0, 3) }, locks: false),
        Calls(name: "kernel_stack_free") {
          tessera_kernel_stack_free(stack)
        } fail: {
          tessera_kernel_stack_free(nil)
        },
        Calls(
          name: "space_new", succeed: { tessera_space_new(made) }, fail: { tessera_space_new(nil) },
          locks: false),
      ]
    }

    @Test func `functions of threads turn preemption off while they lock pages`() {
      let buffer = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 8)
      let value = UnsafeMutablePointer<UInt64>.allocate(capacity: 1)
      value.initialize(to: 0)
      defer {
        buffer.deallocate()
        value.deallocate()
      }
      var memory: UnsafeMutableRawPointer?
      withUnsafeMutablePointer(to: &memory) { memory in
        let calls =
          firstThreadCalls() + furtherThreadCalls(memory) + placingThreadCalls()
          + rangeUseCalls(value)
          + userMemoryCalls(buffer) + userValueCalls(buffer, value) + pagerCalls(value)
        let expected = contracts.classes.filter { ["thread", "pager"].contains($0.value) }
          .keys.sorted()
        #expect(calls.map(\.name).sorted() == expected)
        let processor = simulated_current_processor()
        for call in calls {
          let before = processor.pointee.preemption_disables
          let watch = PreemptionWatch()
          expect(call.succeed(), TESSERA_OK, call.name)
          #expect(processor.pointee.preemption_depth == 0, "after \(call.name)")
          #expect((processor.pointee.preemption_disables > before) == call.locks, "\(call.name)")
          if call.locks { #expect(watch.unprotectedWrites == call.rootWrites, "\(call.name)") }
          #expect(watch.protectedFrees == 0, "\(call.name)")
          // A copy writes the entries of both spaces.
          let writesPerPage = call.name == "copy" ? 2 : 1
          if call.locks {
            let limit = call.writesTable ? 512 : writesPerPage * 128
            #expect(watch.longestStretch <= limit + 8, "\(call.name)")
          }
          #expect(call.fail() != TESSERA_OK, "\(call.name)")
          #expect(processor.pointee.preemption_depth == 0, "after a failure of \(call.name)")
          watch.stop()
        }
      }
    }

    @Test func `a cursor with preemption on, or over many pages, is noticed by that test`() {
      let watch = PreemptionWatch()
      defer { watch.stop() }
      var cursor = tessera_cursor()
      withUnsafeMutablePointer(to: &cursor) { cursor in
        let length = Self.length
        expect(tessera_cursor_open(cursor, world.space, Self.page, length, 0), TESSERA_OK)
        expect(tessera_cursor_map_zeroed(cursor, length, world.readWrite, nil), TESSERA_OK)
        expect(tessera_cursor_close(cursor), TESSERA_OK)
      }
      let state = tessera_host_preempt_disable()
      expect(tessera_unmap(world.space, Self.page, Self.length, nil), TESSERA_OK)
      tessera_host_preempt_enable(state)
      #expect(watch.protectedFrees > 0)
      #expect(watch.unprotectedWrites >= 600)
      #expect(watch.longestStretch >= 600)
    }

    @Test func `an audit holds no lock while it writes`() throws {
      // Frames of a free block, one of which looks as if it were in use.
      var request = world.request
      request.count = 8
      var first: tessera_frame = 0
      expect(tessera_allocate_as(&request, &first), TESSERA_OK)
      expect(tessera_drop_run(first, 8), TESSERA_OK)
      let slot = try FrameTable.slot(at: PhysicalAddress(first + 0x3000))
      let count = slot.count
      slot.setCount(5)
      defer { slot.setCount(count) }
      var violations: UInt64 = 0
      let locked = UnsafeMutablePointer<Bool>.allocate(capacity: 1)
      locked.initialize(to: false)
      defer { locked.deallocate() }
      let result = tessera_audit(
        { context, _, _ in
          let isOn = simulated_current_processor().pointee.interrupts_enabled
          if !isOn { context!.assumingMemoryBound(to: Bool.self).pointee = true }
        }, locked, &violations)
      expect(result, TESSERA_OK)
      #expect(violations > 0 && !locked.pointee)
      #expect(world.machine.violations.contains("frame of a free block is not free"))
    }

    @Test func `functions of frames never turn preemption off`() {
      let processor = simulated_current_processor()
      let before = processor.pointee.preemption_disables
      let frame = world.frame
      var other: tessera_frame = 0
      var request = world.request
      request.count = 4
      var info = tessera_frame_info()
      info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      var statistics = tessera_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
      expect(tessera_share(frame), TESSERA_OK)
      expect(tessera_drop(frame), TESSERA_OK)
      expect(tessera_allocate(&other), TESSERA_OK)
      expect(tessera_drop(other), TESSERA_OK)
      expect(tessera_allocate_as(&request, &other), TESSERA_OK)
      expect(tessera_drop_run(other, 4), TESSERA_OK)
      expect(tessera_frame_query(frame, &info), TESSERA_OK)
      expect(tessera_get_statistics(&statistics), TESSERA_OK)
      #expect(tessera_frame_bytes(frame) != nil && tessera_frame_data(frame) != nil)
      for size in [10, 2000, 32768] {
        let object = tessera_realloc(tessera_malloc_aligned(64, size), size + 1)
        #expect(tessera_usable_size(object) > size)
        tessera_free(object)
        tessera_free(tessera_calloc(1, size))
      }
      tessera_heap_trim()
      #expect(processor.pointee.preemption_disables == before)
      expect(tessera_pager_start(), TESSERA_OK)
      expectFramesClassOfPager()
    }

    @Test func `a page without rights is not translated, and is queried`() {
      let page = MisuseWorld.mappedPage
      var physical: UInt64 = 0
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_protect(world.space, page, 4096, UInt32(TESSERA_NO_ACCESS), nil), TESSERA_OK)
      expect(tessera_translate(world.space, page, &physical, nil), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_query(world.space, page, &found), TESSERA_OK)
      #expect(found.content == UInt32(TESSERA_PAGE_FRAME) && found.physical == world.mappedFrame)
      expect(tessera_protect(world.space, page, 4096, world.readWrite, nil), TESSERA_OK)
      expect(tessera_translate(world.space, page, &physical, nil), TESSERA_OK)
    }
  }
}
