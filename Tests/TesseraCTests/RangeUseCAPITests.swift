import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Searches, moves and counts of ranges.
  @Suite("Ranges in C") struct RangeUseCAPITests {
    let machine: LoadedMachine
    let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    let page: UInt64 = 0x80_0000_0000

    init() throws {
      machine = try LoadedMachine.started()
      space.initialize(to: tessera_space())
      expect(tessera_space_create(space), TESSERA_OK)
    }

    private func find(_ length: UInt64, _ alignment: UInt64, _ hint: UInt64) -> UInt64? {
      var found: UInt64 = 1
      let result = tessera_find_free(space, length, alignment, hint, &found)
      guard Int(result) == TESSERA_OK else {
        expect(result, TESSERA_ERROR_OUT_OF_BOUNDS)
        #expect(found == 1, "written after an error")
        return nil
      }
      return found
    }

    private func resident(_ address: UInt64, _ length: UInt64) -> UInt64 {
      var found: UInt64 = 0
      expect(tessera_resident(space, address, length, &found), TESSERA_OK)
      return found
    }

    private func harvest(_ clear: Int) -> [UInt64] {
      var (accessed, dirty): (UInt64, UInt64) = (1, 1)
      let flags = UInt32(clear)
      expect(tessera_harvest(space, page, 0x10000, flags, &accessed, &dirty), TESSERA_OK)
      return [accessed, dirty]
    }

    @Test func `pages are found, moved and counted`() {
      let free = machine.freeFrames
      let target = page + 0x7f_8000_3000
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      expect(tessera_set_status(space, page + 0x4000, 0x1000, 1, nil), TESSERA_OK)
      #expect(find(0x1000, 4096, page) == page + 0x3000)
      #expect(find(0x2000, 4096, page) == page + 0x5000)
      #expect(find(0x1000, 1 << 21, page + 1) == page + 0x20_0000)
      #expect(find(0x1000, 4096, 0) == page + 0x3000, "the kernel keeps what is below")
      #expect(find(1 << 62, 4096, 0) == nil)
      #expect(resident(page, 0x10000) == 0x3000)

      expect(tessera_move(space, page, 0x5000, target, nil), TESSERA_OK)
      #expect(resident(page, 0x10000) == 0)
      #expect(resident(target, 0x10000) == 0x3000)
      #expect(find(0x8000, 4096, page) == page)
      expect(tessera_move(space, target, 0x5000, page, nil), TESSERA_OK)
      #expect(resident(page, 0x10000) == 0x3000)
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.freeFrames == free + 1, "the root as well")
      #expect(machine.violations == "")
    }

    @Test func `bits are counted, and cleared if asked for`() {
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      var table = tessera_space_root(space)
      for shift in [39, 30, 21] as [UInt64] {
        table = machine.entry(at: Int(page >> shift & 511), of: table) & 0xf_ffff_ffff_f000
      }
      let bits = UInt64(1 << 5 | 1 << 6)
      for index in 0..<3 {
        machine.setEntry(machine.entry(at: index, of: table) | bits, at: index, of: table)
      }
      #expect(harvest(0) == [0x3000, 0x3000])
      #expect(harvest(TESSERA_DIRTY) == [0x3000, 0x3000])
      #expect(harvest(TESSERA_ACCESSED | TESSERA_DIRTY) == [0x3000, 0])
      #expect(harvest(0) == [0, 0])
    }

    @Test func `what cannot be moved, or is not asked for properly, is an error`() {
      expect(tessera_map_zeroed(space, page, 0x3000, readWrite, nil), TESSERA_OK)
      var conflict = tessera_conflict()
      expect(
        tessera_move(space, page, 0x1000, page + 0x2000, &conflict), TESSERA_ERROR_ALREADY_MAPPED)
      #expect(conflict.address == page + 0x2000 && conflict.level == 1)
      let kernel = tessera_kernel_space()
      let area: UInt64 = 0xffff_c000_0000_0000
      var found: UInt64 = 0
      let moves: [(UInt64, UInt64, UInt64, Int)] = [
        (page, 0, page + 0x8000, TESSERA_ERROR_EMPTY),
        (page, 0x1001, page + 0x8000, TESSERA_ERROR_NOT_ALIGNED),
        (page + 1, 0x1000, page + 0x8001, TESSERA_ERROR_NOT_ALIGNED),
        (page, 0x1000, page + 0x8001, TESSERA_ERROR_NOT_ALIGNED),
        (page, 0x2000, page + 0x1000, TESSERA_ERROR_OUT_OF_BOUNDS),
        (page, 0x1000, page, TESSERA_ERROR_OUT_OF_BOUNDS),
        (page, 0x1000, .max - 4095, TESSERA_ERROR_OUT_OF_BOUNDS),
        (page, .max - 4095, page + 0x8000, TESSERA_ERROR_OUT_OF_BOUNDS),
      ]
      for (address, length, target, error) in moves {
        expect(tessera_move(space, address, length, target, nil), error)
      }
      expect(tessera_move(kernel, area, 4096, area + 4096, nil), TESSERA_ERROR_KERNEL_SPACE)
      expect(tessera_find_free(kernel, 4096, 4096, 0, &found), TESSERA_ERROR_KERNEL_SPACE)
      expect(tessera_find_free(space, 0, 4096, 0, &found), TESSERA_ERROR_EMPTY)
      expect(tessera_find_free(space, 1, 4096, 0, &found), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_find_free(space, 4096, 0, 0, &found), TESSERA_ERROR_NOT_ALIGNED)
      expect(tessera_find_free(space, 4096, 4096, 0, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_resident(space, page, 4096, nil), TESSERA_ERROR_INVALID_POINTER)
      expect(tessera_harvest(space, page, 4096, 2, nil, nil), TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(resident(page, 0x10000) == 0x3000)
    }
  }
}
