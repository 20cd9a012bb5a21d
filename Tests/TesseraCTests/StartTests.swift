import CTessera
import CallFuzz
import SimulatedMachine
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
      expect(tessera_space_destroy(&space), TESSERA_ERROR_INVALID_SPACE)
      expect(tessera_kernel_allocate(4096, 3, &address), TESSERA_ERROR_NOT_STARTED)
      expect(tessera_kernel_free(address, 4096), TESSERA_ERROR_NOT_STARTED)
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
      #expect(machine.start { $0.processor_count = 65 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_half = 2 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.flags = 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.image_end = 0x1000 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.image_end = .max } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_low_end = .max } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_low_end = 1 << 47 + 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.direct_map += 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start() == TESSERA_OK)
      #expect(machine.start() == TESSERA_ERROR_ALREADY_STARTED)
      #expect(machine.violations == "")
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
      let sentences = (0...28).map { String(cString: tessera_strerror(tessera_result($0))) }
      #expect(Set(sentences).count == 29)
      #expect(String(cString: tessera_strerror(99)) == String(cString: tessera_strerror(-1)))
      #expect(!sentences.contains(String(cString: tessera_strerror(99))))
    }
  }
}
