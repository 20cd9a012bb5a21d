import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine.ContractTests {
  /// Those of user memory and faults, in a part of the space where nothing is mapped before.
  func userMemoryCalls(_ memory: UnsafeMutableRawPointer) -> [Calls] {
    let (page, space, flags) = (Self.page + 0x4000_0000, world.space, world.readWrite)
    let mapped = MisuseWorld.mappedPage
    let write = UInt32(TESSERA_WRITE)
    let fault = UnsafeMutablePointer<tessera_fault>.allocate(capacity: 1)
    fault.initialize(to: tessera_fault())
    fault.pointee.size = UInt64(MemoryLayout<tessera_fault>.size)
    fault.pointee.error_code = 6
    fault.pointee.address = page + 0x2000
    return [
      Calls(name: "set_demand_zero") {
        tessera_set_demand_zero(space, page, 0x3000, flags, nil)
      } fail: {
        tessera_set_demand_zero(space, mapped, 4096, flags, nil)
      },
      Calls(name: "set_pending") {
        tessera_set_pending(space, page + 0x3000, 4096, 1, flags, nil)
      } fail: {
        tessera_set_pending(space, mapped, 4096, 1, flags, nil)
      },
      Calls(name: "resolve_access") {
        tessera_resolve_access(space, page, write, nil)
      } fail: {
        tessera_resolve_access(space, page + 0x9000, write, nil)
      },
      Calls(name: "resolve_fault") {
        tessera_resolve_fault(space, fault, nil)
      } fail: {
        tessera_resolve_fault(space, nil, nil)
      },
      Calls(name: "write_user") {
        tessera_write_user(space, page + 0x1ff0, memory, 32, nil)
      } fail: {
        tessera_write_user(space, page + 0x2ff0, memory, 32, nil)
      },
      Calls(name: "read_user") {
        tessera_read_user(space, page + 0x1ff0, memory, 32, nil)
      } fail: {
        tessera_read_user(space, page + 0x2ff0, memory, 32, nil)
      },
      Calls(name: "fill_user") {
        tessera_fill_user(space, page, 0x2000, 0, nil)
      } fail: {
        tessera_fill_user(space, page + 0x9000, 1, 0, nil)
      },
      Calls(name: "copy_user") {
        tessera_copy_user(space, page, space, page + 0x1000, 32, nil)
      } fail: {
        tessera_copy_user(space, page, space, page + 0x9000, 32, nil)
      },
    ]
  }

  /// Those of values, strings and the program's addresses, of what the calls before left.
  func userValueCalls(
    _ memory: UnsafeMutableRawPointer, _ value: UnsafeMutablePointer<UInt64>
  ) -> [Calls] {
    let (page, space) = (Self.page + 0x4000_0000, world.space)
    let text = memory.assumingMemoryBound(to: CChar.self)
    let made = UnsafeMutablePointer<UnsafeMutablePointer<tessera_space>?>.allocate(capacity: 1)
    made.initialize(to: nil)
    return [
      Calls(name: "read_user_string") {
        tessera_read_user_string(space, page, text, 32, nil)
      } fail: {
        tessera_read_user_string(space, page + 0x9000, text, 32, nil)
      },
      Calls(name: "load_user") {
        tessera_load_user(space, page, 8, value)
      } fail: {
        tessera_load_user(space, page + 0x9000, 8, value)
      },
      Calls(name: "store_user") {
        tessera_store_user(space, page, 8, 1)
      } fail: {
        tessera_store_user(space, page + 0x9000, 8, 1)
      },
      Calls(name: "compare_exchange_user") {
        tessera_compare_exchange_user(space, page, 8, value, 1)
      } fail: {
        tessera_compare_exchange_user(space, page + 0x9000, 8, value, 1)
      },
      Calls(
        name: "copy_in",
        succeed: {
          tessera_space_activate(space)
          return tessera_copy_in(space, page, memory, 32, nil)
        }, fail: { tessera_copy_in(nil, page, memory, 32, nil) }, locks: false),
      Calls(
        name: "copy_out", succeed: { tessera_copy_out(space, page, memory, 32, nil) },
        fail: { tessera_copy_out(nil, page, memory, 32, nil) }, locks: false),
      Calls(
        name: "space_fork",
        succeed: {
          tessera_space_activate(tessera_kernel_space())
          return tessera_space_fork(space, made)
        }, fail: { tessera_space_fork(nil, made) }, rootWrites: 2),
    ]
  }
}
