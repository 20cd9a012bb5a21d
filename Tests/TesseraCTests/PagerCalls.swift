import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine.ContractTests {
  /// Those of the pager, in a part of the space where nothing is mapped before.
  func pagerCalls(_ value: UnsafeMutablePointer<UInt64>) -> [Calls] {
    startingPagerCalls() + objectCalls(value) + reclaimingCalls()
  }

  private func startingPagerCalls() -> [Calls] {
    let (space, swap) = (world.space, CallbackStore())
    var store = swap.store
    return [
      Calls(
        name: "pager_start", succeed: { tessera_pager_start() }, fail: { tessera_pager_start() },
        locks: false),
      Calls(
        name: "swap_start",
        succeed: {
          _ = Unmanaged.passRetained(swap)
          return tessera_swap_start(&store, 100)
        }, fail: { tessera_swap_start(&store, 100) }, locks: false),
      Calls(
        name: "space_page", succeed: { tessera_space_page(space) },
        fail: { tessera_space_page(nil) }, locks: false),
      Calls(
        name: "set_free_marks", succeed: { tessera_set_free_marks(0, 0) },
        fail: { tessera_set_free_marks(2, 1) }, locks: false),
    ]
  }

  private func objectCalls(_ value: UnsafeMutablePointer<UInt64>) -> [Calls] {
    let (page, space, flags) = (Self.page + 0x8000_0000, world.space, world.readWrite)
    let object = UnsafeMutablePointer<tessera_object>.allocate(capacity: 1)
    object.initialize(to: 0)
    let usage = UnsafeMutablePointer<tessera_page_usage>.allocate(capacity: 1)
    usage.initialize(to: tessera_page_usage())
    usage.pointee.size = UInt64(MemoryLayout<tessera_page_usage>.size)
    let length: UInt64 = 600 * 4096
    return [
      Calls(name: "object_create") {
        tessera_object_create(nil, length, length, object)
      } fail: {
        tessera_object_create(nil, 0, 0, object)
      },
      Calls(
        name: "object_share", succeed: { tessera_object_share(object.pointee) },
        fail: { tessera_object_share(0) }, locks: false),
      Calls(name: "map_object") {
        tessera_map_object(space, page, length, object.pointee, 0, flags | 1 << 13, nil)
      } fail: {
        tessera_map_object(space, page, length, object.pointee, 0, flags, nil)
      },
      Calls(
        name: "object_write",
        succeed: { tessera_object_write(object.pointee, 4090, value, 8, nil) },
        fail: { tessera_object_write(object.pointee, 4090, nil, 8, nil) }, writesTable: true),
      Calls(name: "object_read") {
        tessera_object_read(object.pointee, 4090, value, 8, nil)
      } fail: {
        tessera_object_read(0, 4090, value, 8, nil)
      },
      Calls(
        name: "object_sync", succeed: { tessera_object_sync(object.pointee, nil) },
        fail: { tessera_object_sync(0, nil) }, locks: false),
      Calls(name: "query_usage") {
        tessera_query_usage(object.pointee, usage)
      } fail: {
        tessera_query_usage(object.pointee, nil)
      },
      Calls(
        name: "object_resize",
        succeed: {
          for index in 0..<600 as Range<UInt64> {
            expect(tessera_resolve_access(space, page + index * 4096, 2, nil), TESSERA_OK)
          }
          return tessera_object_resize(object.pointee, 4096)
        }, fail: { tessera_object_resize(object.pointee, .max) }, writesTable: true),
      Calls(name: "object_drop") {
        expect(tessera_unmap(space, page, length, nil), TESSERA_OK)
        expect(tessera_object_drop(object.pointee), TESSERA_OK)
        return tessera_object_drop(object.pointee)
      } fail: {
        tessera_object_drop(object.pointee)
      },
    ]
  }

  /// Those that have no result get one that says whether they did what they should.
  private func reclaimingCalls() -> [Calls] {
    let (page, space, flags) = (Self.page + 0x9000_0000, world.space, world.readWrite)
    let record = UnsafeMutablePointer<tessera_page_record>.allocate(capacity: 1)
    record.initialize(to: tessera_page_record())
    record.pointee.size = UInt64(MemoryLayout<tessera_page_record>.size)
    return [
      Calls(name: "query_frame_page") {
        var frame: UInt64 = 0
        expect(tessera_set_demand_zero(space, page, 0x8000, flags, nil), TESSERA_OK)
        expect(tessera_resolve_access(space, page, 2, nil), TESSERA_OK)
        expect(tessera_translate(space, page, &frame, nil), TESSERA_OK)
        return tessera_query_frame_page(frame, record)
      } fail: {
        tessera_query_frame_page(0, record)
      },
      Calls(name: "reclaim") {
        tessera_resolve_access(space, page + 0x1000, 2, nil)
        return tessera_reclaim(2, nil) == 2 ? 0 : -1
      } fail: {
        tessera_reclaim(0, nil) == 0 ? -1 : 0
      },
      Calls(name: "keep_free") {
        tessera_resolve_access(space, page + 0x2000, 2, nil)
        tessera_set_free_marks(1 << 20, 1 << 20)
        let count = tessera_keep_free(nil)
        tessera_set_free_marks(0, 0)
        return count > 0 ? 0 : -1
      } fail: {
        tessera_keep_free(nil) == 0 ? -1 : 0
      },
      Calls(
        name: "pager_dump", succeed: { tessera_pager_dump({ _, _, _ in }, nil) },
        fail: { tessera_pager_dump(nil, nil) }),
    ]
  }

  /// A transfer ends, and statistics are written, without preemption being turned off.
  func expectFramesClassOfPager() {
    let store = CallbackStore()
    store.answer = TESSERA_TRANSFER_LATER
    var description = store.store
    var object: tessera_object = 0
    var byte: UInt8 = 0
    var statistics = tessera_pager_statistics()
    statistics.size = UInt64(MemoryLayout<tessera_pager_statistics>.size)
    expect(tessera_object_create(&description, 1, 1, &object), TESSERA_OK)
    expect(tessera_object_read(object, 0, &byte, 1, nil), TESSERA_ERROR_PAGE_BUSY)
    let processor = simulated_current_processor()
    let before = processor.pointee.preemption_disables
    store.finishAll()
    expect(tessera_get_pager_statistics(&statistics), TESSERA_OK)
    #expect(statistics.reads == 1)
    #expect(processor.pointee.preemption_disables == before)
    expect(tessera_object_drop(object), TESSERA_OK)
  }
}
