import CallFuzz
import SimulatedMachine
import TesseraHeader
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Calls that violate the contract of the header: each returns the documented error and leaves
  /// everything unchanged.
  @Suite("Misuse of the C API") struct MisuseTests {
    let world: MisuseWorld

    init() throws { world = try MisuseWorld() }

    /// Calls every function that takes a space, with arguments that are valid for a valid space.
    private func functionsOfSpaces(
      _ space: UnsafeMutablePointer<tessera_space>?
    ) -> [(String, tessera_result)] {
      let flags = world.readWrite
      let page = MisuseWorld.unmappedPage
      var number: UInt64 = 0
      var otherNumber: UInt64 = 0
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      var cursor = tessera_cursor()
      let sink: tessera_write_fn = { _, _, _ in }
      return [
        ("activate", tessera_space_activate(space)),
        ("bounds", tessera_space_bounds(space, &number, &otherNumber)),
        ("map", tessera_map(space, page, world.frame, flags, nil)),
        ("map_run", tessera_map_run(space, page, world.frame, 1, flags, nil)),
        ("map_new", tessera_map_zeroed(space, page, 4096, flags, nil)),
        ("map_device", tessera_map_device(space, page, 0xffff_0000, 4096, flags, nil)),
        ("replace", tessera_replace(space, page, world.frame, flags, nil)),
        ("unmap", tessera_unmap(space, page, 4096, nil)),
        ("protect", tessera_protect(space, page, 4096, 1, nil)),
        ("change", tessera_change(space, page, 4096, 0, 2, nil)),
        ("set_status", tessera_set_status(space, page, 4096, 1, nil)),
        ("copy to", tessera_copy(space, world.space, page, 4096, nil)),
        ("copy from", tessera_copy(world.space, space, page, 4096, nil)),
        ("query", tessera_query(space, page, &found)),
        ("visit", tessera_visit(space, page, 4096, { _, _ in }, nil)),
        ("move", tessera_move(space, page, 4096, page + 4096, nil)),
        ("find_free", tessera_find_free(space, 4096, 4096, page, &number)),
        ("resident", tessera_resident(space, page, 4096, &number)),
        ("harvest", tessera_harvest(space, page, 4096, 0, &number, &otherNumber)),
        ("translate", tessera_translate(space, page, &number, nil)),
        ("open", tessera_cursor_open(&cursor, space, page, 4096, 0)),
        ("dump", tessera_dump(space, sink, nil)),
        ("dump_json", tessera_dump_json(space, sink, nil)),
        ("walk", tessera_print_walk(space, page, sink, nil)),
        ("audit", tessera_audit_space(space, sink, nil, &number)),
        ("destroy", tessera_space_destroy(space)),
      ]
    }

    @Test(.seeded(1)) func `every function returns an error for an invalid space`() {
      var copy = world.space.pointee
      var zeros = tessera_space()
      var cases = 0
      func demand(
        _ space: UnsafeMutablePointer<tessera_space>?, _ expected: Int, _ what: String
      ) {
        for (name, status) in functionsOfSpaces(space) {
          expect(status, expected, "\(name) of \(what)")
          cases += 1
        }
        #expect(tessera_space_root(space) == 0)
        world.checkUnchanged(what)
      }
      demand(nil, TESSERA_ERROR_INVALID_POINTER, "null")
      let raw = UnsafeMutableRawPointer(world.space)
      demand(
        UnsafeMutablePointer(bitPattern: UInt(bitPattern: raw) + 4), TESSERA_ERROR_INVALID_POINTER,
        "a pointer that is not aligned")
      demand(&zeros, TESSERA_ERROR_INVALID_SPACE, "zeros")
      demand(&copy, TESSERA_ERROR_INVALID_SPACE, "a copy")
      for number in 0..<8 as Range<UInt64> {
        var noise = tessera_space()
        withUnsafeMutableBytes(of: &noise) { bytes in
          var state = Seed.current &* 8 &+ number
          for index in bytes.indices {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
          }
        }
        demand(&noise, TESSERA_ERROR_INVALID_SPACE, "noise \(number)")
      }
      withUnsafeMutablePointer(to: &zeros) { space in
        expect(tessera_space_create(space), TESSERA_OK)
        expect(tessera_space_destroy(space), TESSERA_OK)
        demand(space, TESSERA_ERROR_INVALID_SPACE, "a destroyed space")
      }
      #expect(cases == 26 * 13)
    }

    /// Calls every function that takes a cursor.
    private func functionsOfCursors(
      _ cursor: UnsafeMutablePointer<tessera_cursor>?
    ) -> [(String, tessera_result)] {
      let flags = world.readWrite
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      var isFound = false
      return [
        ("jump", tessera_cursor_jump(cursor, MisuseWorld.unmappedPage)),
        ("map", tessera_cursor_map(cursor, world.frame, flags, nil)),
        ("map_run", tessera_cursor_map_run(cursor, world.frame, 1, flags, nil)),
        ("map_new", tessera_cursor_map_zeroed(cursor, 4096, flags, nil)),
        ("map_device", tessera_cursor_map_device(cursor, 0xffff_0000, 4096, flags, nil)),
        ("replace", tessera_cursor_replace(cursor, world.frame, flags, nil)),
        ("unmap", tessera_cursor_unmap(cursor, 4096, nil)),
        ("protect", tessera_cursor_protect(cursor, 4096, 1, nil)),
        ("change", tessera_cursor_change(cursor, 4096, 0, 2, nil)),
        ("set_status", tessera_cursor_set_status(cursor, 4096, 1, nil)),
        ("query", tessera_cursor_query(cursor, &found)),
        ("copy", tessera_cursor_copy(cursor, cursor, 4096, nil)),
        ("find", tessera_cursor_find_next(cursor, 4096, &isFound)),
        ("clear", tessera_cursor_clear_access_bits(cursor, 4096, UInt32(TESSERA_DIRTY), nil)),
        ("finish", tessera_cursor_close(cursor)),
      ]
    }

    @Test func `every function returns an error for a cursor that is not open`() {
      var zeros = tessera_cursor()
      var copy = tessera_cursor()
      var cases = 0
      func demand(
        _ cursor: UnsafeMutablePointer<tessera_cursor>?, _ expected: Int, _ what: String
      ) {
        for (name, status) in functionsOfCursors(cursor) {
          expect(status, expected, "\(name) of \(what)")
          cases += 1
        }
        #expect(tessera_cursor_address(cursor) == 0)
      }
      demand(nil, TESSERA_ERROR_INVALID_POINTER, "null")
      demand(&zeros, TESSERA_ERROR_INVALID_CURSOR, "zeros")
      withUnsafeMutablePointer(to: &zeros) { cursor in
        let page = MisuseWorld.unmappedPage
        expect(tessera_cursor_open(cursor, world.space, page, 4096, 0), TESSERA_OK)
        copy = cursor.pointee
        demand(&copy, TESSERA_ERROR_INVALID_CURSOR, "a copy")
        let odd = UInt(bitPattern: UnsafeMutableRawPointer(cursor)) + 1
        demand(
          UnsafeMutablePointer(bitPattern: odd), TESSERA_ERROR_INVALID_POINTER, "an odd pointer")
        expect(tessera_cursor_close(cursor), TESSERA_OK)
        demand(cursor, TESSERA_ERROR_INVALID_CURSOR, "a closed cursor")
      }
      world.checkUnchanged("cursors")
      #expect(cases == 15 * 5)
    }

    @Test func `a space or cursor in use cannot be created again`() {
      let page = MisuseWorld.unmappedPage
      expect(tessera_space_create(world.space), TESSERA_ERROR_IN_USE)
      expect(tessera_space_create(tessera_kernel_space()), TESSERA_ERROR_IN_USE)
      world.checkUnchanged("creating a space twice")
      var cursor = tessera_cursor()
      withUnsafeMutablePointer(to: &cursor) { cursor in
        expect(tessera_cursor_open(cursor, world.space, page, 4096, 0), TESSERA_OK)
        for address in [page, MisuseWorld.mappedPage] {
          expect(tessera_cursor_open(cursor, world.space, address, 4096, 0), TESSERA_ERROR_IN_USE)
        }
        #expect(tessera_cursor_address(cursor) == page)
        expect(tessera_cursor_close(cursor), TESSERA_OK)
      }
      world.checkUnchanged("opening an open cursor")
    }

    @Test func `destroying a space with an open cursor panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let world = try MisuseWorld()
        let cursor = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 2)
        cursor.initialize(repeating: tessera_cursor(), count: 2)
        let page = MisuseWorld.unmappedPage
        _ = tessera_cursor_open(cursor, world.space, MisuseWorld.mappedPage, 4096, 0)
        _ = tessera_cursor_open(cursor + 1, world.space, page, 4096, 0)
        _ = tessera_cursor_close(cursor)
        _ = tessera_space_destroy(world.space)
      }
      try expectPanic(in: result, "destroyed a space with an open cursor")
    }

    @Test func `a cursor whose space was overwritten panics`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let world = try MisuseWorld()
        let cursor = UnsafeMutablePointer<tessera_cursor>.allocate(capacity: 1)
        cursor.initialize(to: tessera_cursor())
        let page = MisuseWorld.unmappedPage
        _ = tessera_cursor_open(cursor, world.space, page, 4096, 0)
        world.space.pointee = tessera_space()
        _ = tessera_cursor_close(cursor)
      }
      try expectPanic(in: result, "the space of an open cursor was overwritten")
    }

    /// Calls every function that takes an address and a length.
    private func functionsOfRanges(
      _ space: UnsafeMutablePointer<tessera_space>, _ address: UInt64, _ length: UInt64
    ) -> [(String, tessera_result)] {
      var cursor = tessera_cursor()
      let opened = tessera_cursor_open(&cursor, space, address, length, 0)
      if Int(opened) == TESSERA_OK { expect(tessera_cursor_close(&cursor), TESSERA_OK) }
      var number: UInt64 = 0
      return [
        ("open", opened),
        ("map_new", tessera_map_zeroed(space, address, length, world.readWrite, nil)),
        (
          "map_device",
          tessera_map_device(space, address, 0xffff_0000, length, world.readWrite, nil)
        ),
        ("unmap", tessera_unmap(space, address, length, nil)),
        ("protect", tessera_protect(space, address, length, 1, nil)),
        ("change", tessera_change(space, address, length, 0, 2, nil)),
        ("set_status", tessera_set_status(space, address, length, 1, nil)),
        ("visit", tessera_visit(space, address, length, { _, _ in }, nil)),
        ("resident", tessera_resident(space, address, length, &number)),
        ("harvest", tessera_harvest(space, address, length, 0, nil, nil)),
      ]
    }

    @Test func `invalid ranges are errors for every operation`() {
      let page = MisuseWorld.unmappedPage
      let addresses: [UInt64] = [
        0, 1, 0xfff, 0x1000, 0x7f_ffff_f000, page, page + 1, page + 8, page + 512,
        0x7fff_ffff_e000, 0x7fff_ffff_f000, 0x7fff_ffff_ffff, 0x8000_0000_0000,
        0x8000_0000_0001, 0x1234_5678_9abc_d000, 0xffff_7fff_ffff_f000, 0xffff_8000_0000_0000,
        0xffff_bfff_ffff_f000, 0xffff_c000_0000_0000, 0xffff_c07f_ffff_f000,
        0xffff_c080_0000_0000, 0xffff_ffff_ffff_f000, .max - 1, .max,
      ]
      let lengths: [UInt64] = [
        0, 1, 8, 512, 4095, 4096, 4097, 1 << 39, 1 << 47, 1 << 63, .max - 4095, .max - 1, .max,
      ]
      var cases = 0
      for (space, isKernel) in [(world.space, false), (tessera_kernel_space()!, true)] {
        let bounds = isKernel ? world.kernelBounds : world.programBounds
        for address in addresses {
          for length in lengths {
            let expected: Int
            if length == 0 {
              expected = TESSERA_ERROR_EMPTY
            } else if (address | length) % 4096 != 0 {
              expected = TESSERA_ERROR_NOT_ALIGNED
            } else if address < bounds.lowerBound || address > bounds.upperBound
              || length > bounds.upperBound - address
            {
              expected = TESSERA_ERROR_OUT_OF_BOUNDS
            } else {
              continue
            }
            for (name, status) in functionsOfRanges(space, address, length) {
              expect(status, expected, "\(name) of \(length) bytes at \(address)")
              cases += 1
            }
          }
        }
      }
      world.checkUnchanged("ranges")
      #expect(cases > 3_500)
    }

    @Test func `undefined flags are errors`() {
      let page = MisuseWorld.unmappedPage
      let known = 0x7f + 0x80 + TESSERA_SHARED
      var cases = 0
      for bit in 0..<32 {
        let flags = UInt32(1) << bit | UInt32(TESSERA_READ)
        let isRights = bit == 0 || bit == 1 || bit == 2
        if Int(flags) & ~known != 0 || bit == 3 {
          let expected = bit == 3 ? TESSERA_ERROR_INVALID_RIGHTS : TESSERA_ERROR_INVALID_ARGUMENT
          expect(tessera_map(world.space, page, world.frame, flags, nil), expected, "map \(bit)")
          expect(tessera_map_run(world.space, page, world.frame, 1, flags, nil), expected)
          expect(tessera_map_zeroed(world.space, page, 4096, flags, nil), expected)
          expect(tessera_map_device(world.space, page, 0xffff_0000, 4096, flags, nil), expected)
          expect(tessera_replace(world.space, page, world.frame, flags, nil), expected)
          cases += 5
        }
        if !isRights {
          let expected = bit == 3 ? TESSERA_ERROR_INVALID_RIGHTS : TESSERA_ERROR_INVALID_ARGUMENT
          expect(
            tessera_protect(world.space, page, 4096, flags, nil), expected, "protect \(bit)")
          cases += 1
        }
        var cursor = tessera_cursor()
        if 1 << bit != TESSERA_RESERVE_TABLES && 1 << bit != TESSERA_NO_NEW_TABLES {
          expect(
            tessera_cursor_open(&cursor, world.space, page, 4096, 1 << bit),
            TESSERA_ERROR_INVALID_ARGUMENT)
          cases += 1
        }
      }
      var cursor = tessera_cursor()
      let both = UInt32(TESSERA_RESERVE_TABLES | TESSERA_NO_NEW_TABLES)
      expect(
        tessera_cursor_open(&cursor, world.space, page, 4096, both), TESSERA_ERROR_INVALID_ARGUMENT)
      // Write without read, execute without read, and both without the flag that allows it.
      for flags in [2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14] as [UInt32] {
        let expected =
          flags == 7 ? TESSERA_ERROR_WRITE_AND_EXECUTE : TESSERA_ERROR_INVALID_RIGHTS
        expect(tessera_map_zeroed(world.space, page, 4096, flags, nil), expected, "\(flags)")
        expect(tessera_protect(world.space, page, 4096, flags, nil), expected, "\(flags)")
        cases += 2
      }
      world.checkUnchanged("flags")
      #expect(cases > 200)
    }

    @Test func `masks of a change that no page can follow are errors`() {
      let page = MisuseWorld.mappedPage
      let (read, write, execute) = (UInt32(1), UInt32(2), UInt32(4))
      let both = UInt32(TESSERA_ALLOW_WX)
      let policy = UInt32(TESSERA_CACHE_POLICY)
      var invalid: [(set: UInt32, clear: UInt32)] = [
        // Writable and executable.
        (write, 0), (execute, 0), (write | execute, 0), (write, read), (execute, read),
        (write | execute, write | execute), (read | write, execute & 0),
        // A part of the cache policy, or a policy over another.
        (1 << 4, 0), (2 << 4, 0), (policy, 0), (0, 1 << 4), (0, 2 << 4), (1 << 4, 1 << 4),
        (2 << 4, 1 << 4), (policy, 2 << 4),
        // Clearing what is not a flag of a page.
        (0, both),
      ]
      for bit in 8..<32 as Range<UInt32> {
        invalid.append((1 << bit, 0))
        invalid.append((0, 1 << bit))
      }
      for (set, clear) in invalid {
        expect(
          tessera_change(world.space, page, 4096, set, clear, nil),
          TESSERA_ERROR_INVALID_ARGUMENT, "set \(set), clear \(clear)")
      }
      world.checkUnchanged("masks")
      let valid: [(set: UInt32, clear: UInt32)] = [
        (0, 0), (read, 0), (0, read), (0, write | execute), (write, execute), (execute, write),
        (write | both, 0), (write | execute | both, 0), (both, 0), (1 << 4, policy), (0, policy),
        (policy, policy), (3 << 6, 0), (0, 3 << 6), (1 << 6, 3 << 6),
      ]
      for (set, clear) in valid {
        expect(
          tessera_change(world.space, MisuseWorld.unmappedPage, 4096, set, clear, nil), TESSERA_OK,
          "set \(set), clear \(clear)")
      }
    }

    @Test func `frames without a handle of the caller are errors`() {
      let page = MisuseWorld.unmappedPage
      var cases = 0
      for (frame, expected, what) in world.strangeFrames {
        // A mapped frame can be shared without a handle.
        let isMapped = frame == world.mappedFrame
        let functions: [(String, tessera_result)] = [
          ("share", isMapped ? tessera_result(expected) : tessera_share(frame)),
          ("drop", tessera_drop(frame)),
          ("drop_run", tessera_drop_run(frame, 1)),
          ("map", tessera_map(world.space, page, frame, world.readWrite, nil)),
          ("map_run", tessera_map_run(world.space, page, frame, 1, world.readWrite, nil)),
          ("replace", tessera_replace(world.space, page, frame, world.readWrite, nil)),
        ]
        for (name, status) in functions {
          expect(status, expected, "\(name) of \(what)")
          cases += 1
        }
        if !isMapped {
          let bytes = tessera_frame_bytes(frame)
          let data = tessera_frame_data(frame)
          #expect(bytes == nil && data == nil, "\(what)")
        }
      }
      #expect(cases > 60)
    }
  }
}
