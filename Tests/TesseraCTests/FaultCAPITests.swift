import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Page faults, forks and user memory.
  @Suite("Faults in C") struct FaultCAPITests {
    let machine: LoadedMachine
    let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    let page: UInt64 = 0x80_0000_0000

    init() throws {
      machine = try LoadedMachine.started()
      space.initialize(to: tessera_space())
      expect(tessera_space_create(space), TESSERA_OK)
    }

    /// Destroys the space, and checks that `free` frames are free.
    private func end(_ free: UInt64) {
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.freeFrames == free + 1, "the root as well")
      #expect(machine.violations == "")
      space.deallocate()
    }

    private func fault(
      _ code: UInt64, at address: UInt64, in space: UnsafePointer<tessera_space>,
      _ change: (inout tessera_fault) -> Void = { _ in }
    ) -> (result: Int, supply: Int, payload: UInt32) {
      var fault = tessera_fault()
      fault.size = UInt64(MemoryLayout<tessera_fault>.size)
      fault.address = address
      fault.error_code = code
      change(&fault)
      var found = tessera_resolution(supply: 99, payload: 99)
      let result = tessera_resolve_fault(space, &fault, &found)
      return (Int(result), Int(found.supply), found.payload)
    }

    @Test func `pages appear, are asked for, and are copied after a fork`() {
      let free = machine.freeFrames
      expect(tessera_set_demand_zero(space, page, 0x4000, readWrite, nil), TESSERA_OK)
      expect(tessera_set_pending(space, page + 0x4000, 0x1000, 77, readWrite, nil), TESSERA_OK)
      #expect(fault(4, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_ZEROS, 0))
      #expect(fault(7, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_ZEROED_FRAME, 0))
      #expect(fault(7, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_NOTHING, 0))
      #expect(fault(6, at: page + 0x4123, in: space) == (TESSERA_ERROR_PENDING, 0, 77))
      #expect(fault(20, at: page, in: space).result == TESSERA_ERROR_DENIED)
      #expect(fault(4, at: page + 0x5000, in: space).result == TESSERA_ERROR_DENIED)
      #expect(fault(4, at: .max, in: space).result == TESSERA_ERROR_DENIED)

      var child: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_fork(space, &child), TESSERA_OK)
      guard let child else { return }
      #expect(fault(7, at: page, in: child) == (TESSERA_OK, TESSERA_SUPPLY_COPY, 0))
      #expect(fault(7, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_TAKEOVER, 0))
      var resolution = tessera_resolution(supply: 99, payload: 99)
      let write = UInt32(TESSERA_WRITE)
      expect(tessera_resolve_access(child, page + 0x1000, write, &resolution), TESSERA_OK)
      #expect(Int(resolution.supply) == TESSERA_SUPPLY_ZEROED_FRAME)
      expect(tessera_resolve_access(child, page, 0, nil), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_resolve_access(child, page, 3, nil), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_space_destroy(child), TESSERA_OK)
      end(free)
    }

    @Test func `a frame that a fault has brought is its mappings' alone`() {
      let free = machine.freeFrames
      expect(tessera_set_demand_zero(space, page, 0x1000, readWrite, nil), TESSERA_OK)
      #expect(fault(7, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_ZEROED_FRAME, 0))
      var child: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_fork(space, &child), TESSERA_OK)
      guard let child else { return }

      var frame: UInt64 = 0
      expect(tessera_translate(space, page, &frame, nil), TESSERA_OK)
      var info = tessera_frame_info()
      info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      expect(tessera_frame_query(frame, &info), TESSERA_OK)
      #expect(Int(info.usage) == TESSERA_FRAME_SUPPLIED)
      #expect(info.references == 2 && info.handles == 0)
      expect(tessera_share(frame), TESSERA_ERROR_NOT_CLIENT)
      #expect(tessera_frame_data(frame) == nil && tessera_frame_bytes(frame) == nil)
      expect(tessera_space_destroy(child), TESSERA_OK)
      expect(tessera_unmap(space, page, 0x1000, nil), TESSERA_OK)
      expect(tessera_frame_query(frame, &info), TESSERA_OK)
      #expect(Int(info.usage) == TESSERA_FRAME_FREE)
      end(free)
    }

    @Test func `what the kernel must not do, and wrong structures, are errors`() {
      let free = machine.freeFrames
      expect(tessera_set_demand_zero(space, page, 0x1000, readWrite, nil), TESSERA_OK)
      #expect(fault(7, at: page, in: space) == (TESSERA_OK, TESSERA_SUPPLY_ZEROED_FRAME, 0))
      #expect(fault(1, at: page, in: space).result == TESSERA_ERROR_DENIED, "SMAP")
      #expect(
        fault(1, at: page, in: space) { $0.rflags = 1 << 18 }
          == (TESSERA_OK, TESSERA_SUPPLY_NOTHING, 0))
      #expect(fault(17, at: page, in: space).result == TESSERA_ERROR_DENIED, "SMEP")
      #expect(fault(4, at: page, in: space) { $0.size = 1 }.result == TESSERA_ERROR_INVALID_SIZE)
      for count in [3, 6, 1024] as [UInt32] {
        #expect(
          fault(4, at: page, in: space) { $0.zero_pages = count }.result
            == TESSERA_ERROR_INVALID_ARGUMENT)
      }
      #expect(
        fault(4, at: page, in: space) { $0.flags = 2 }.result == TESSERA_ERROR_INVALID_ARGUMENT)
      guard let kernel = tessera_kernel_space() else { return }
      #expect(fault(4, at: page, in: kernel).result == TESSERA_ERROR_KERNEL_SPACE)
      expect(tessera_resolve_fault(space, nil, nil), TESSERA_ERROR_INVALID_POINTER)
      var instruction: UInt64 = 0x1234
      #expect(!tessera_recover_fault(page, 0, &instruction) && instruction == 0x1234)
      #expect(!tessera_recover_fault(page, 0, nil))
      var child: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_fork(kernel, &child), TESSERA_ERROR_KERNEL_SPACE)
      expect(tessera_space_fork(space, nil), TESSERA_ERROR_INVALID_POINTER)
      let shared = readWrite | UInt32(TESSERA_SHARED)
      let next = page + 0x1000
      expect(
        tessera_set_demand_zero(space, next, 4096, shared, nil), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_set_pending(space, next, 4096, 1, shared, nil), TESSERA_OK)
      expect(
        tessera_set_demand_zero(space, page, 4096, readWrite, nil), TESSERA_ERROR_ALREADY_MAPPED)
      var start: UInt64 = 0
      var stop: UInt64 = 0
      expect(tessera_space_bounds(kernel, &start, &stop), TESSERA_OK)
      expect(
        tessera_set_demand_zero(kernel, start, 4096, readWrite, nil), TESSERA_ERROR_KERNEL_SPACE)
      expect(
        tessera_set_pending(kernel, start, 4096, 1, readWrite, nil), TESSERA_ERROR_KERNEL_SPACE)
      end(free)
    }

    @Test func `queries and cursors know pages that are not there yet`() {
      let free = machine.freeFrames
      let cursor = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 1)
      cursor.initialize(to: tessera_cursor())
      expect(tessera_cursor_open(cursor, space, page, 0x3000, 0), TESSERA_OK)
      let flags = readWrite | 2 * UInt32(TESSERA_SOFTWARE)
      expect(tessera_cursor_set_demand_zero(cursor, 0x2000, flags, nil), TESSERA_OK)
      expect(
        tessera_cursor_set_pending(cursor, 0x1000, 5, UInt32(TESSERA_READ), nil), TESSERA_OK)
      expect(tessera_cursor_close(cursor), TESSERA_OK)
      cursor.deallocate()
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(space, page, &found), TESSERA_OK)
      #expect(Int(found.content) == TESSERA_PAGE_DEMAND_ZERO)
      #expect(found.flags == flags | UInt32(TESSERA_USER) && found.status == 0)
      expect(tessera_protect(space, page + 0x2000, 0x1000, readWrite, nil), TESSERA_OK)
      expect(tessera_query(space, page + 0x2000, &found), TESSERA_OK)
      #expect(Int(found.content) == TESSERA_PAGE_PENDING && found.status == 5)
      #expect(found.flags == readWrite | UInt32(TESSERA_USER))
      end(free)
    }

    @Test func `user memory is read and written, and says why it is not`() {
      let free = machine.freeFrames
      let end1 = page + 0x2000
      expect(tessera_set_demand_zero(space, page, 0x2000, readWrite, nil), TESSERA_OK)
      expect(tessera_set_pending(space, end1, 0x1000, 7, readWrite, nil), TESSERA_OK)
      var buffer = (0..<300).map { UInt8(truncatingIfNeeded: $0 + 1) }
      var done: UInt64 = 9
      expect(tessera_write_user(space, page + 0xf80, buffer, 300, &done), TESSERA_OK)
      #expect(done == 300)
      buffer = [UInt8](repeating: 0, count: 300)
      expect(tessera_read_user(space, page + 0xf80, &buffer, 300, nil), TESSERA_OK)
      #expect(buffer == (0..<300).map { UInt8(truncatingIfNeeded: $0 + 1) })
      let pending = tessera_read_user(space, end1 - 10, &buffer, 300, &done)
      #expect(Int(pending) == TESSERA_ERROR_PENDING && done == 10)
      let denied = tessera_write_user(space, end1 + 0x1000, buffer, 1, &done)
      #expect(Int(denied) == TESSERA_ERROR_DENIED && done == 0)
      expect(tessera_read_user(space, .max, &buffer, 300, &done), TESSERA_ERROR_DENIED)
      expect(tessera_read_user(space, page, nil, 1, &done), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_fill_user(space, page, 0x2000, 65, &done), TESSERA_OK)
      expect(tessera_fill_user(space, page, .max, 65, &done), TESSERA_ERROR_PENDING)
      #expect(done == 0x2000)
      var text = [CChar](repeating: 1, count: 16)
      expect(
        tessera_read_user_string(space, page, &text, 16, &done), TESSERA_ERROR_TOO_LONG)
      expect(tessera_store_user(space, page + 8, 8, 0), TESSERA_OK)
      expect(tessera_read_user_string(space, page, &text, 16, &done), TESSERA_OK)
      #expect(done == 8 && text[8] == 0 && text[7] == 65)
      expect(
        tessera_read_user_string(space, end1 - 4, &text, 16, &done), TESSERA_ERROR_PENDING)
      #expect(done == 4)
      expect(tessera_copy_user(space, page + 100, space, page + 6, 4, &done), TESSERA_OK)
      expect(tessera_copy_user(space, end1, space, page, 4, &done), TESSERA_ERROR_PENDING)
      expect(tessera_copy_user(space, page, space, .max - 1, 4, &done), TESSERA_ERROR_DENIED)
      var value: UInt64 = 0
      expect(tessera_load_user(space, page + 100, 4, &value), TESSERA_OK)
      #expect(value == 0x0000_4141)
      var expected = value
      expect(tessera_compare_exchange_user(space, page + 100, 4, &expected, 9), TESSERA_OK)
      expect(tessera_compare_exchange_user(space, page + 100, 4, &expected, 10), TESSERA_OK)
      #expect(expected == 9)
      expect(tessera_load_user(space, page + 100, 8, &value), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_load_user(space, page, 2, &value), TESSERA_ERROR_INVALID_ARGUMENT)
      expect(tessera_load_user(space, page, 8, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_store_user(space, page + 0x3000, 8, 0), TESSERA_ERROR_DENIED)
      end(free)
    }

    @Test func `copies at the program's addresses take an active space`() {
      let free = machine.freeFrames
      expect(tessera_set_demand_zero(space, page, 0x1000, readWrite, nil), TESSERA_OK)
      var buffer = [1, 2, 3] as [UInt8]
      var done: UInt64 = 9
      expect(tessera_copy_out(space, page, buffer, 3, &done), TESSERA_ERROR_NOT_ACTIVE)
      let copies = UserCopies(in: space)
      defer { withExtendedLifetime(copies) {} }
      expect(tessera_space_activate(space), TESSERA_OK)
      expect(tessera_copy_out(space, page + 0xffd, buffer, 3, &done), TESSERA_OK)
      #expect(done == 3)
      buffer = [0, 0, 0]
      expect(tessera_copy_in(space, page + 0xffd, &buffer, 3, &done), TESSERA_OK)
      #expect(buffer == [1, 2, 3])
      let denied = tessera_copy_in(space, page + 0xffe, &buffer, 3, &done)
      #expect(Int(denied) == TESSERA_ERROR_DENIED && done == 2)
      expect(tessera_copy_in(space, .max - 1, &buffer, 3, &done), TESSERA_ERROR_DENIED)
      #expect(done == 0)
      expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      end(free)
    }
  }
}
