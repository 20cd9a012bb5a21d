import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Memory objects, swap and reclaim.
  @Suite("Paging in C") struct PagingCAPITests {
    let machine: LoadedMachine
    let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    let shared = UInt32(TESSERA_READ | TESSERA_WRITE | TESSERA_SHARED)
    let page: UInt64 = 0x80_0000_0000
    let swap = CallbackStore()
    let file = CallbackStore()

    init() throws {
      machine = try LoadedMachine.started()
      space.initialize(to: tessera_space())
      expect(tessera_space_create(space), TESSERA_OK)
      expect(tessera_pager_start(), TESSERA_OK)
      expect(tessera_space_page(space), TESSERA_OK)
    }

    /// Destroys the space, and checks that nothing is wrong.
    private func end() {
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.violations == "")
      space.deallocate()
    }

    private func startSwap(pages: UInt32 = 4096) {
      var store = swap.store
      expect(tessera_swap_start(&store, pages), TESSERA_OK)
    }

    private func makeObject(_ length: UInt64, capacity: UInt64? = nil) -> tessera_object {
      var store = file.store
      var object: tessera_object = 0
      expect(tessera_object_create(&store, length, capacity ?? length, &object), TESSERA_OK)
      return object
    }

    private func usage(of object: tessera_object) -> tessera_page_usage {
      var usage = tessera_page_usage()
      usage.size = UInt64(MemoryLayout<tessera_page_usage>.size)
      expect(tessera_query_usage(object, &usage), TESSERA_OK)
      return usage
    }

    private var statistics: tessera_pager_statistics {
      var statistics = tessera_pager_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_pager_statistics>.size)
      expect(tessera_get_pager_statistics(&statistics), TESSERA_OK)
      return statistics
    }

    private func read(_ address: UInt64, in space: UnsafePointer<tessera_space>? = nil) -> UInt64? {
      var value: UInt64 = 0
      let result = tessera_read_user(space ?? UnsafePointer(self.space), address, &value, 8, nil)
      return result == TESSERA_OK ? value : nil
    }

    private func write(_ value: UInt64, to address: UInt64) -> tessera_result {
      var value = value
      return tessera_write_user(space, address, &value, 8, nil)
    }

    @Test func `programs have more memory than the machine`() {
      startSwap()
      let count: UInt64 = 3000
      #expect(count * 4096 > LoadedMachine.byteCount)
      expect(tessera_set_demand_zero(space, page, count * 4096, readWrite, nil), TESSERA_OK)
      for index in 0..<count { expect(write(index + 1, to: page + index * 4096), TESSERA_OK) }
      let wrong = (0..<count).filter { read(page + $0 * 4096) != $0 + 1 }
      #expect(wrong == [])
      let statistics = statistics
      #expect(statistics.evictions >= count - LoadedMachine.byteCount / 4096)
      #expect(statistics.writes > 0 && statistics.reads > 0 && statistics.store_failures == 0)
      #expect(statistics.swap_pages == 4096 && statistics.swap_used > 0)
      let usage = usage(of: 0)
      #expect(usage.resident > 0 && usage.resident < count && usage.length == 0)
      #expect(usage.resident + usage.swapped >= count)
      expect(tessera_unmap(space, page, count * 4096, nil), TESSERA_OK)
      #expect(self.statistics.swap_used == 0)
      end()
    }

    @Test func `without a swap store memory runs out, and comes back`() {
      let count: UInt64 = 3000
      expect(tessera_set_demand_zero(space, page, count * 4096, readWrite, nil), TESSERA_OK)
      var index: UInt64 = 0
      var result = tessera_result(TESSERA_OK)
      while result == TESSERA_OK {
        result = write(1, to: page + index * 4096)
        index += 1
      }
      expect(result, TESSERA_ERROR_OUT_OF_FRAMES)
      #expect(statistics.evictions == 0 && tessera_reclaim(1, nil) == 0)
      expect(tessera_unmap(space, page, 64 * 4096, nil), TESSERA_OK)
      startSwap()
      while tessera_reclaim(1, nil) > 0 {}
      expect(write(1, to: page + index * 4096), TESSERA_OK)
      #expect(statistics.evictions > 0)
      end()
    }

    @Test func `a file is mapped, shared by spaces and copied by one`() {
      file.setPage(0, to: 7)
      file.setPage(1, to: 9)
      let object = makeObject(2 * 4096 + 5)
      let (sevens, nines): (UInt64, UInt64) = (0x0707_0707_0707_0707, 0x0909_0909_0909_0909)
      expect(tessera_map_object(space, page, 0x3000, object, 0, shared, nil), TESSERA_OK)
      expect(
        tessera_map_object(space, page + 0x10000, 0x2000, object, 0x1000, readWrite, nil),
        TESSERA_OK)
      #expect(read(page) == sevens && read(page + 0x10000) == nines)
      #expect(read(page + 0x3000) == nil, "behind the mapping")
      #expect(read(page + 0x2000) == 0, "the last page is used in part")
      // The copy is not seen by others, and what is shared is.
      expect(write(1, to: page + 0x10000), TESSERA_OK)
      #expect(read(page + 0x1000) == nines && read(page + 0x10000) == 1)
      expect(write(2, to: page), TESSERA_OK)
      var value: UInt64 = 0
      var done: UInt64 = 99
      expect(tessera_object_read(object, 0, &value, 8, &done), TESSERA_OK)
      #expect(value == 2 && done == 8)
      var sync = tessera_sync()
      expect(tessera_object_sync(object, &sync), TESSERA_OK)
      #expect(sync.written == 1 && sync.being_written == 0 && sync.failed == 0)
      #expect(file.pages[0]?.first == 2 && file.pages[4096]?.first == 9)
      expect(tessera_object_sync(object, &sync), TESSERA_OK)
      #expect(sync.written == 0)
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(space, page + 0x11000, &found), TESSERA_OK)
      #expect(found.content == UInt32(TESSERA_PAGE_OBJECT))
      // The space keeps the object.
      expect(tessera_object_drop(object), TESSERA_OK)
      #expect(read(page + 0x1000) == nines)
      end()
    }

    @Test func `an object is read and written as far as it goes`() {
      let object = makeObject(5000, capacity: 3 * 4096)
      var bytes = [UInt8](repeating: 1, count: 6000)
      var done: UInt64 = 0
      expect(tessera_object_write(object, 100, bytes, 6000, &done), TESSERA_OK)
      #expect(done == 4900)
      expect(tessera_object_write(object, 5000, bytes, 1, &done), TESSERA_OK)
      #expect(done == 0)
      expect(tessera_object_read(object, 0, &bytes, 200, &done), TESSERA_OK)
      #expect(done == 200 && bytes[..<200].elementsEqual((0..<200).map { $0 < 100 ? 0 : 1 }))
      #expect(usage(of: object).dirty == 2 && usage(of: object).length == 5000)
      // The rest of the last page was never anything but zeros.
      expect(tessera_object_resize(object, 200), TESSERA_OK)
      expect(tessera_object_resize(object, 3 * 4096), TESSERA_OK)
      expect(tessera_object_read(object, 100, &bytes, 6000, &done), TESSERA_OK)
      #expect(done == 6000 && bytes.elementsEqual((0..<6000).map { $0 < 100 ? 1 : 0 }))
      #expect(file.released == [4096..<8192])
      expect(tessera_object_resize(object, 3 * 4096 + 1), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_object_drop(object), TESSERA_OK)
      end()
    }

    @Test func `a handle that was dropped is rejected`() {
      let first = makeObject(4096)
      expect(tessera_object_share(first), TESSERA_OK)
      expect(tessera_object_drop(first), TESSERA_OK)
      #expect(usage(of: first).length == 4096)
      expect(tessera_object_drop(first), TESSERA_OK)
      let second = makeObject(8192)
      #expect(first != second && first != 0 && UInt32(truncatingIfNeeded: first ^ second) == 0)
      for strange in [first, 0, .max, second + 1, second + 1 << 32] {
        expect(tessera_object_share(strange), TESSERA_ERROR_INVALID_OBJECT, "\(strange)")
        expect(tessera_object_drop(strange), TESSERA_ERROR_INVALID_OBJECT)
        expect(tessera_object_resize(strange, 0), TESSERA_ERROR_INVALID_OBJECT)
        expect(tessera_object_sync(strange, nil), TESSERA_ERROR_INVALID_OBJECT)
      }
      // A space that maps the object keeps it, and is no handle.
      expect(tessera_map_object(space, page, 4096, second, 0, shared, nil), TESSERA_OK)
      expect(tessera_object_drop(second), TESSERA_OK)
      expect(tessera_object_drop(second), TESSERA_ERROR_INVALID_OBJECT)
      #expect(read(page) == 0)
      end()
    }

    @Test func `a store may finish later, or fail`() {
      file.setPage(0, to: 7)
      let object = makeObject(4096)
      expect(tessera_map_object(space, page, 4096, object, 0, shared, nil), TESSERA_OK)
      file.answer = TESSERA_TRANSFER_LATER
      let access = UInt32(TESSERA_READ)
      var resolution = tessera_resolution()
      for _ in 0..<2 {
        let result = tessera_resolve_access(space, page, access, &resolution)
        expect(result, TESSERA_ERROR_PAGE_BUSY)
      }
      #expect(file.tokens.count == 1, "it is read once")
      file.finishAll()
      expect(tessera_resolve_access(space, page, access, &resolution), TESSERA_OK)
      #expect(Int(resolution.supply) == TESSERA_SUPPLY_PAGED)
      expect(write(2, to: page), TESSERA_OK)
      var sync = tessera_sync()
      expect(tessera_object_sync(object, &sync), TESSERA_ERROR_PAGE_BUSY)
      #expect(sync.being_written == 1 && usage(of: object).being_written == 1)
      file.finishAll(succeeded: false)
      file.answer = TESSERA_TRANSFER_FAILED
      expect(tessera_object_sync(object, &sync), TESSERA_ERROR_STORE)
      #expect(sync.failed == 1 && usage(of: object).dirty == 1)
      #expect(statistics.store_failures == 2)
      file.answer = TESSERA_TRANSFER_DONE
      expect(tessera_object_sync(object, nil), TESSERA_OK)
      #expect(file.pages[0]?.first == 2)
      expect(tessera_object_drop(object), TESSERA_OK)
      end()
    }

    @Test func `a page in memory is described, ages, and is taken away`() {
      startSwap()
      let object = makeObject(2 * 4096)
      expect(tessera_map_object(space, page, 0x2000, object, 0, shared, nil), TESSERA_OK)
      expect(tessera_set_demand_zero(space, page + 0x2000, 4096, readWrite, nil), TESSERA_OK)
      expect(write(1, to: page + 0x1000), TESSERA_OK)
      expect(write(1, to: page + 0x2000), TESSERA_OK)
      let ofObject = record(at: page + 0x1000)
      #expect(ofObject?.object == UInt32(truncatingIfNeeded: object) && ofObject?.index == 1)
      #expect(ofObject?.map_count == 1 && ofObject?.age == 2)
      #expect(ofObject.map { Int($0.flags) & TESSERA_FLAG_UP_TO_DATE } != 0)
      let anonymous = record(at: page + 0x2000)
      #expect(anonymous?.object == 0 && anonymous?.index == (page + 0x2000) / 4096)
      #expect(tessera_reclaim(2, nil) == 2)
      #expect(record(at: page + 0x1000) == nil && record(at: page + 0x2000) == nil)
      #expect(file.pages[4096]?.first == 1 && file.pages[0] == nil)
      #expect(usage(of: 0).swapped == 1 && swap.pages.count == 1)
      #expect(read(page + 0x2000) == 1)
      #expect(record(at: page + 0x2000).map { Int($0.flags) & TESSERA_FLAG_WORKING_SET } != 0)
      var strange = record
      expect(tessera_query_frame_page(0, &strange), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_query_frame_page(.max, &strange), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_query_frame_page(1 << 40, &strange), TESSERA_ERROR_NOT_MAPPED)
      expect(tessera_object_drop(object), TESSERA_OK)
      end()
    }

    private var record: tessera_page_record {
      var record = tessera_page_record()
      record.size = UInt64(MemoryLayout<tessera_page_record>.size)
      return record
    }

    /// What is known of the page that is mapped at `address`, if one is.
    private func record(at address: UInt64) -> tessera_page_record? {
      var (frame, record): (UInt64, tessera_page_record) = (0, record)
      guard tessera_translate(space, address, &frame, nil) == TESSERA_OK else { return nil }
      expect(tessera_query_frame_page(frame, &record), TESSERA_OK)
      return record
    }

    @Test func `as many frames are kept free as the kernel says`() {
      startSwap()
      expect(tessera_set_free_marks(2, 1), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_set_free_marks(0, 0), TESSERA_OK)
      let count: UInt64 = 1500
      expect(tessera_set_demand_zero(space, page, count * 4096, readWrite, nil), TESSERA_OK)
      for index in 0..<count { expect(write(1, to: page + index * 4096), TESSERA_OK) }
      let free = machine.freeFrames
      #expect(tessera_keep_free(nil) == 0)
      expect(tessera_set_free_marks(free + 50, free + 100), TESSERA_OK)
      var beingWritten: UInt64 = 9
      #expect(tessera_keep_free(&beingWritten) >= 100 && beingWritten == 0)
      #expect(machine.freeFrames >= free + 100)
      #expect(tessera_keep_free(nil) == 0, "enough are free")
      swap.answer = TESSERA_TRANSFER_LATER
      #expect(tessera_reclaim(10, &beingWritten) == 0 && beingWritten > 0)
      swap.finishAll()
      swap.answer = TESSERA_TRANSFER_DONE
      end()
    }

    @Test func `a table says where the pages are`() {
      startSwap(pages: 100)
      let object = makeObject(3 << 20)
      expect(tessera_object_write(object, 4096, [1], 1, nil), TESSERA_OK)
      expect(tessera_set_demand_zero(space, page, 4096, readWrite, nil), TESSERA_OK)
      expect(write(1, to: page), TESSERA_OK)
      let table = gathering { tessera_pager_dump($0, $1) }
      let number = String(UInt32(truncatingIfNeeded: object))
      #expect(
        table.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") } == [
          "length resident clean dirty writing swapped", "anonymous 1 1 0 0 0",
          "object \(number) 3072 KiB 1 0 1 0 0", "swap: 0 of 100 pages",
        ])
      #expect(Set(table.split(separator: "\n").dropLast().map(\.count)).count == 1, "columns")
      expect(tessera_pager_dump(nil, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_object_drop(object), TESSERA_OK)
      end()
    }
  }
}
