import CTessera
import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// A failed start changes nothing, so a later one succeeds.
  @Suite("Start in C") struct StartTests {
    let machine = LoadedMachine()

    @Test func `every function fails with NOT_STARTED before the start`() {
      var number: UInt64 = 0
      var space = tessera_space()
      var info = tessera_frame_info()
      var statistics = tessera_statistics()
      var address: UnsafeMutableRawPointer?
      expect(tessera_start_processor(), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_add_memory(0x1000, 0x1000), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_allocate(&number), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_allocate_as(nil, &number), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_share(0x1000), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_drop(0x1000), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_drop_run(0x1000, 1), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_claim(0x1000), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_frame_query(0x1000, &info), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_space_create(&space), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_space_new(nil), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_space_destroy(&space), TESSERA_ERROR_INVALID_SPACE)
      expect(tessera_kernel_allocate(4096, 3, &address), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_kernel_free(address, 4096), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_kernel_protect(address, 4096, 1), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_audit({ _, _, _ in }, nil, &number), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_get_statistics(&statistics), TESSERA_ERROR_NOT_STARTED)
      #expect(tessera_kernel_space() == nil)
      #expect(tessera_frame_bytes(0x1000) == nil)
      #expect(tessera_frame_data(0x1000) == nil)
    }

    @Test func `every field of the configuration is checked`() {
      expect(tessera_start(nil), TESSERA_ERROR_INVALID_POINTER)
      let usable = LoadedMachine.regions[0]
      func region(_ start: UInt64, _ length: UInt64, _ kind: Int, _ zero: UInt32 = 0)
        -> [tessera_region]
      {
        [usable, tessera_region(start: start, length: length, kind: UInt32(kind), reserved: zero)]
      }
      for size in [0, 1, 8, 88, 1 << 20, .max] as [UInt64] {
        #expect(machine.start { $0.size = size } == TESSERA_ERROR_INVALID_SIZE)
      }
      #expect(machine.start { $0.regions = nil } == TESSERA_ERROR_INVALID_POINTER)
      #expect(machine.start([]) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(.max, 2, 0)) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(1 << 51, 1 << 52, 0)) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(0, .max, 6)) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(0, 0x1000, 8)) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(0, 0x1000, 1 << 20)) == TESSERA_ERROR_INVALID_MEMORY_MAP)
      #expect(machine.start(region(0, 0x1000, 0, 1)) == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.region_count = .max } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.processor_count = 513 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_half = 2 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.flags = 16 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.image_end = 0x1000 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.image_end = .max } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_low_end = .max } == TESSERA_ERROR_INVALID_ARGUMENT)
      for end in [1 << 47 + 1, 1 << 47, 1 << 47 - 1, 1 << 47 - 1 << 39 + 1] as [UInt64] {
        #expect(machine.start { $0.kernel_low_end = end } == TESSERA_ERROR_INVALID_ARGUMENT)
      }
      #expect(machine.start { $0.direct_map += 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start() == TESSERA_OK)
      #expect(machine.start() == TESSERA_ERROR_ALREADY_STARTED)
      #expect(machine.violations == "")
    }

    /// What `tessera_start_error` says after a failed start on `regions`.
    private func reason(
      _ regions: [tessera_region] = LoadedMachine.regions,
      _ change: (inout tessera_config) -> Void = { _ in }
    ) -> String {
      #expect(machine.start(regions, change) != TESSERA_OK)
      var number: UInt64 = 0
      let sentence = String(cString: tessera_start_error(&number))
      #expect(sentence == String(cString: tessera_start_error(nil)))
      return number == 0 ? sentence : sentence + " \(number)"
    }

    @Test func `a failed start names the field that is wrong`() {
      let usable = LoadedMachine.regions[0]
      func region(_ start: UInt64, _ kind: UInt32, _ zero: UInt32 = 0) -> tessera_region {
        tessera_region(start: start, length: 0x1000, kind: kind, reserved: zero)
      }
      expect(tessera_start(nil), TESSERA_ERROR_INVALID_POINTER)
      #expect(String(cString: tessera_start_error(nil)) == "config is null or not aligned")
      #expect(reason { $0.size = 1 } == "size is not that of a version of tessera_config")
      #expect(reason { $0.regions = nil } == "regions is null or not aligned")
      #expect(reason { $0.region_count = 0 } == "region_count is zero")
      #expect(reason { $0.region_count = .max } == "region_count is more than 2^32 - 1")
      #expect(reason([usable, region(0, 8)]) == "the kind of a region is unknown 1")
      #expect(reason([usable, usable, region(.max, 0)]) == "a region extends beyond 2^52 2")
      #expect(
        reason([usable, region(0, 0, 1)]) == "the field reserved of a region is not zero 1")
      #expect(reason { $0.processor_count = 513 } == "processor_count is more than 512")
      #expect(
        reason { $0.kernel_half = 2 } == "kernel_half is neither TESSERA_ADOPT nor TESSERA_COPY")
      #expect(reason { $0.flags = 16 } == "flags has an unknown flag")
      #expect(
        reason { $0.image_start = .max } == "image_end is below image_start, or beyond 2^52")
      #expect(
        reason { $0.kernel_low_end = 1 << 48 } == "kernel_low_end lies beyond the lower half")
      #expect(reason { $0.direct_map += 1 } == "direct_map is not a multiple of 4096")
      #expect(
        reason { $0.free_frames = { _, _, _ in } }
          == "one of allocate_frames and free_frames is null")
      let text = "a page table lies in memory that the memory map calls usable"
      #expect(reason([usable]) == "\(text) \(LoadedMachine.tables[0])")
      #expect(machine.start() == TESSERA_OK)
      #expect(reason() == "Tessera is already running")
    }

    @Test func `memory of the firmware above all other needs no slots`() {
      for (start, kind) in [
        (0xfeb8_0000, TESSERA_FIRMWARE), (16 << 30, TESSERA_ACPI),
      ] as [(UInt64, Int)] {
        let far = tessera_region(
          start: start, length: 0x8_0000, kind: UInt32(kind), reserved: 0)
        #expect(machine.start(LoadedMachine.regions + [far]) == TESSERA_OK)
        var statistics = tessera_statistics()
        statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
        expect(tessera_get_statistics(&statistics), TESSERA_OK)
        #expect(statistics.metadata_frames < 40)
        #expect(machine.violations == "")
        Boot.reset()
        unsafe Processor.loadRootRegister(LoadedMachine.tables[0])
        machine.makeTables()
      }
    }

    @Test func `memory in pieces that are too small for the metadata has its own error`() {
      // 6 MiB in pieces of 60 KiB: 2048 slots need 128 KiB.
      let pieces = (0..<96).map {
        tessera_region(
          start: 0x20_0000 + UInt64($0) << 16, length: 0xf000, kind: UInt32(TESSERA_USABLE),
          reserved: 0)
      }
      #expect(machine.start(pieces) == TESSERA_ERROR_NO_ROOM_FOR_METADATA)
    }

    @Test func `memory that the direct map misses is an error`() {
      // It would be unmapped together with the lower half.
      #expect(machine.start { $0.kernel_low_end = 0 } == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      machine.setEntry(0, at: 3, of: LoadedMachine.tables[2])
      #expect(machine.start() == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      machine.setEntry(0x8000_0000_0020_0083, at: 3, of: LoadedMachine.tables[2])
      #expect(machine.start() == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      // Memory beyond the end of the direct map is not checked.
      #expect(machine.start { $0.direct_map_end = 6 << 20 } == TESSERA_OK)
      var statistics = tessera_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
      expect(tessera_get_statistics(&statistics), TESSERA_OK)
      #expect(statistics.unreachable_frames == 512)
      #expect(machine.violations == "")
    }

    @Test(
      arguments: [
        0, 0x1000, 0x3fff_f000, 0x4000_1000, 0x4020_0000, 0x3fe0_0000, 0x8000_0000, 0x7f_ffff_f000,
        0x7fff_ffff_f000, 0x8000_0000_0000, 0x7fff_ffff_ffff_f000, 0xffff_8000_0000_0000,
        0xffff_ffff_8000_0000, 0xffff_ffff_ffff_f000,
      ] as [UInt64])
    func `a wrong direct map is an error and not a fault`(base: UInt64) {
      let lowEnd: UInt64 = 1 << 47 - 1 << 39
      #expect(
        machine.start {
          $0.direct_map = base
          $0.kernel_low_end = lowEnd
        } == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `memory that the direct map maps read-only is an error if it is usable`() {
      let entry = machine.entry(at: 3, of: LoadedMachine.tables[2])
      machine.setEntry(entry & ~2, at: 3, of: LoadedMachine.tables[2])
      #expect(machine.start() == TESSERA_ERROR_NOT_IN_DIRECT_MAP)
      let module = tessera_region(
        start: 0x60_0000, length: 0x20_0000, kind: UInt32(TESSERA_MODULE), reserved: 0)
      #expect(machine.start(LoadedMachine.regions + [module]) == TESSERA_OK)
    }

    @Test func `an adopted table outside the memory of the direct map is not read`() {
      let end = LoadedMachine.byteCount
      // A hole of the memory map, and beyond its end. This process has memory in the hole.
      let regions = [
        tessera_region(start: 0, length: end / 2, kind: UInt32(TESSERA_USABLE), reserved: 0),
        tessera_region(
          start: end / 2 + 0x2000, length: end / 2 - 0x2000, kind: UInt32(TESSERA_USABLE),
          reserved: 0),
        LoadedMachine.regions[1],
      ]
      for (index, table) in [(300, end / 2), (301, end), (302, 1 << 39)] {
        machine.setEntry(0x3 | table, at: index, of: LoadedMachine.tables[0])
      }
      for index in 0..<512 { machine.setEntry(0, at: index, of: end / 2) }
      #expect(machine.start(regions) == TESSERA_OK)
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK)
      for index in [300, 301, 302] as [UInt64] {
        let address = 0xffff_0000_0000_0000 | index << 39 | 0x1234
        for space in [space, tessera_kernel_space()] {
          var target: UInt64 = 0
          expect(tessera_translate(space, address, &target, nil), TESSERA_ERROR_NOT_MAPPED)
          let walk = gathering { tessera_print_walk(space, address, $0, $1) }
          #expect(walk.contains("not in memory       <- stops here"))
        }
      }
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a mapping in the kernel virtual area is an error`() {
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 384, of: LoadedMachine.tables[0])
      #expect(machine.start() == TESSERA_ERROR_KERNEL_AREA_IN_USE)
      machine.setEntry(0, at: 384, of: LoadedMachine.tables[0])
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `copied tables are no longer in use`() {
      #expect(machine.start { $0.kernel_half = UInt32(TESSERA_COPY) } == TESSERA_OK)
      expect(tessera_add_memory(LoadedMachine.tables[0], 0x4000), TESSERA_OK)
      var frames: [tessera_frame] = []
      var frame: tessera_frame = 0
      while Int(tessera_allocate(&frame)) == TESSERA_OK { frames.append(frame) }
      #expect(frames.contains(LoadedMachine.tables[1]))
      // The memory is still mapped, by the copies.
      var target: UInt64 = 0
      let mapped = LoadedMachine.directMap + 0x12_3456
      expect(tessera_translate(tessera_kernel_space(), mapped, &target, nil), TESSERA_OK)
      #expect(target == 0x12_3456)
      for frame in frames { expect(tessera_drop(frame), TESSERA_OK) }
      #expect(machine.violations == "")
    }

    @Test func `too little memory is an error, and more memory starts`() {
      let small = [
        tessera_region(start: 0x20_0000, length: 0x1000, kind: UInt32(TESSERA_USABLE), reserved: 0)
      ]
      #expect(machine.start(small) == TESSERA_ERROR_OUT_OF_FRAMES)
      for kept in 1...20 as ClosedRange<UInt64> {
        let regions = [
          tessera_region(
            start: 0x20_0000, length: kept << 12, kind: UInt32(TESSERA_USABLE), reserved: 0)
        ]
        let copies = { (config: inout tessera_config) in config.kernel_half = UInt32(TESSERA_COPY) }
        let status = machine.start(regions, copies)
        #expect(status == TESSERA_OK || status == TESSERA_ERROR_OUT_OF_FRAMES)
        if status == TESSERA_OK { break }
      }
      #expect(machine.start() == TESSERA_ERROR_ALREADY_STARTED)
      #expect(machine.violations == "")
    }

    @Test func `the direct map of the loader is told`() {
      var map = tessera_direct_map()
      map.size = UInt64(MemoryLayout<tessera_direct_map>.size)
      expect(tessera_get_direct_map(&map), TESSERA_ERROR_NOT_STARTED)
      #expect(machine.start() == TESSERA_OK)
      expect(tessera_get_direct_map(nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_get_direct_map(&map), TESSERA_OK)
      #expect(map.base == LoadedMachine.directMap && map.end == LoadedMachine.byteCount)
      #expect(map.tables == 0 && map.pages_4k == 0 && map.pages_2m == 0 && map.pages_1g == 0)
      map.size -= 8
      expect(tessera_get_direct_map(&map), TESSERA_ERROR_INVALID_SIZE)
    }

    @Test func `a direct map is not built if the regions would be unmapped`() {
      // They are in this process.
      let flags = UInt64(TESSERA_BUILD_DIRECT_MAP)
      #expect(
        reason { $0.flags = flags }
          == "regions is not in the part of the address space that is kept")
      #expect(machine.start { $0.flags = flags } == TESSERA_ERROR_INVALID_ARGUMENT)
    }

    @Test func `memory types of E820 and Limine are translated`() {
      #expect((0...6).map { tessera_kind_of_e820($0) } == [6, 0, 6, 4, 5, 7, 6])
      #expect((0...8).map { tessera_kind_of_limine($0) } == [0, 6, 4, 5, 7, 3, 1, 6, 6])
    }

    @Test func `the memory map is printed in ascending order`() {
      let regions = LoadedMachine.regions
      var config = tessera_config()
      config.size = UInt64(MemoryLayout<tessera_config>.size)
      func written(directMapEnd: UInt64) -> String {
        config.direct_map_end = directMapEnd
        return regions.withUnsafeBufferPointer { buffer in
          config.regions = buffer.baseAddress
          config.region_count = UInt64(buffer.count)
          return gathering { tessera_print_memory_map(&config, $0, $1) }
        }
      }
      let all = written(directMapEnd: 0)
      #expect(all.contains("0x0000000000100000-0x0000000000104000    16 KiB  boot information"))
      #expect(!all.contains("beyond the direct map"))
      #expect(
        written(directMapEnd: 6 << 20).contains(
          "0x0000000000600000-0x0000000000800000  2048 KiB  usable, beyond the direct map"))
    }

    @Test func `every result has its own message`() {
      let results = Array(0...53)
      let sentences = results.map { String(cString: tessera_strerror(tessera_result($0))) }
      #expect(Set(sentences).count == results.count)
      #expect(String(cString: tessera_strerror(99)) == String(cString: tessera_strerror(-1)))
      #expect(!sentences.contains(String(cString: tessera_strerror(99))))
    }
  }
}
