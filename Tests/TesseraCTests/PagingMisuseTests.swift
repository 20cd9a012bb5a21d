import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// What is wrong is an error, and changes nothing.
  @Suite("Misuse of paging in C") struct PagingMisuseTests {
    let world: MisuseWorld
    let swap = CallbackStore()

    init() throws { world = try MisuseWorld() }

    @Test func `nothing works before the start`() {
      var (object, usage): (tessera_object, tessera_page_usage) = (0, sized(\.size))
      var (page, statistics): (tessera_page_record, tessera_pager_statistics) = (
        sized(\.size), sized(\.size)
      )
      var store = swap.store
      let results = [
        tessera_swap_start(&store, 1), tessera_space_page(world.space),
        tessera_object_create(nil, 1, 1, &object), tessera_set_free_marks(0, 0),
        tessera_query_usage(0, &usage), tessera_query_frame_page(0, &page),
        tessera_get_pager_statistics(&statistics), tessera_pager_dump({ _, _, _ in }, nil),
      ]
      #expect(results == results.map { _ in tessera_result(TESSERA_ERROR_NOT_STARTED) })
      #expect(tessera_reclaim(1, nil) == 0 && tessera_keep_free(nil) == 0)
      expect(tessera_object_drop(1), TESSERA_ERROR_INVALID_OBJECT)
      expect(tessera_pager_start(), TESSERA_OK)
      expect(tessera_pager_start(), TESSERA_ERROR_ALREADY_STARTED)
    }

    /// A structure of zeros whose size is set.
    private func sized<Structure>(
      _ size: WritableKeyPath<Structure, UInt64>
    ) -> Structure {
      withUnsafeTemporaryAllocation(of: Structure.self, capacity: 1) { memory in
        UnsafeMutableRawBufferPointer(memory).initializeMemory(as: UInt8.self, repeating: 0)
        memory[0][keyPath: size] = UInt64(MemoryLayout<Structure>.size)
        return memory[0]
      }
    }

    @Test func `stores that are no stores are errors`() {
      expect(tessera_pager_start(), TESSERA_OK)
      var object: tessera_object = 77
      expect(tessera_swap_start(nil, 1), TESSERA_ERROR_INVALID_POINTER)
      for (change, error) in [
        ({ (store: inout tessera_store) in store.size = 8 }, TESSERA_ERROR_INVALID_SIZE),
        ({ $0.read = nil }, TESSERA_ERROR_INVALID_POINTER),
        ({ $0.write = nil }, TESSERA_ERROR_INVALID_POINTER),
      ] {
        var store = swap.store
        change(&store)
        expect(tessera_swap_start(&store, 1), error)
        expect(tessera_object_create(&store, 1, 1, &object), error)
      }
      var store = swap.store
      store.release = nil
      expect(tessera_swap_start(&store, 0), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_swap_start(&store, 1 << 31), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_swap_start(&store, 1 << 30), TESSERA_ERROR_OUT_OF_FRAMES)
      expect(tessera_swap_start(&store, 1), TESSERA_OK)
      expect(tessera_swap_start(&store, 1), TESSERA_ERROR_IN_USE)
      #expect(object == 77)
    }

    @Test func `objects and mappings that cannot be are errors`() {
      let (space, page) = (world.space, MisuseWorld.unmappedPage)
      let flags = world.readWrite
      var object: tessera_object = 77
      expect(tessera_pager_start(), TESSERA_OK)
      expect(tessera_object_create(nil, 0, 0, &object), TESSERA_ERROR_EMPTY)
      expect(tessera_object_create(nil, 2, 1, &object), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_object_create(nil, 1, 1 << 47, &object), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_object_create(nil, .max, .max, &object), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(tessera_object_create(nil, 1, 1, nil), TESSERA_ERROR_INVALID_POINTER)
      #expect(object == 77)
      expect(tessera_object_create(nil, 4096, 4096, &object), TESSERA_OK)
      let map = { (address: UInt64, length: UInt64, offset: UInt64, flags: UInt32) in
        tessera_map_object(space, address, length, object, offset, flags, nil)
      }
      expect(map(page, 4096, 0, flags), TESSERA_ERROR_NOT_PAGED)
      expect(tessera_space_page(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_space_page(tessera_kernel_space()), TESSERA_ERROR_KERNEL_SPACE)
      expect(tessera_space_page(space), TESSERA_OK)
      expect(tessera_space_page(space), TESSERA_OK, "again")
      expect(map(page, 0, 0, flags), TESSERA_ERROR_EMPTY)
      expect(map(page + 1, 4096, 0, flags), TESSERA_ERROR_NOT_ALIGNED)
      expect(map(page, 1, 0, flags), TESSERA_ERROR_NOT_ALIGNED)
      expect(map(page, 4096, 8, flags), TESSERA_ERROR_NOT_ALIGNED)
      expect(map(.max - 4095, 4096, 0, flags), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(map(page, .max - 4095, 0, flags), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(map(page, 4096, .max - 4095, flags), TESSERA_ERROR_OUT_OF_BOUNDS)
      expect(map(page, 4096, 0, 1 << 31), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(map(page, 4096, 0, UInt32(TESSERA_WRITE)), TESSERA_ERROR_INVALID_RIGHTS)
      var conflict = tessera_conflict()
      let mapped = MisuseWorld.mappedPage
      let result = tessera_map_object(space, mapped, 8192, object, 0, flags, &conflict)
      expect(result, TESSERA_ERROR_ALREADY_MAPPED)
      #expect(conflict.address == mapped && conflict.level == 1)
      let kernel = tessera_map_object(
        tessera_kernel_space(), world.kernelBounds.lowerBound, 4096, object, 0, flags, nil)
      expect(kernel, TESSERA_ERROR_KERNEL_SPACE)
      var byte: UInt8 = 0
      expect(tessera_object_read(object, 0, nil, 1, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_object_write(object, 0, nil, 1, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_object_read(object, .max, &byte, .max, nil), TESSERA_OK, "behind its end")
      var usage: tessera_page_usage = sized(\.size)
      usage.size -= 1
      expect(tessera_query_usage(object, &usage), TESSERA_ERROR_INVALID_SIZE)
      expect(tessera_query_usage(object, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_object_drop(object), TESSERA_OK)
      #expect(world.machine.violations == "")
    }

    @Test func `a transfer that is not under way ends the kernel`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let world = try MisuseWorld()
        _ = tessera_pager_start()
        tessera_transfer_done(world.frame, true)
      }
      try expectPanic(in: result, "a transfer of a page was finished that is not under way")
    }
  }
}
