import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// The C API after a loader that runs with five levels of page tables.
  @Suite("Five-level paging in C") struct FiveLevelTests {
    let machine = LoadedMachine(levelCount: 5)
    /// The span of one entry of a level 5 root.
    private static let span: UInt64 = 1 << 48
    private static let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    private static let area: UInt64 = 0xff80_0000_0000_0000

    /// Maps the image at -2 GiB as well, in the last entry of the root.
    init() {
      machine.setEntry(0x3 | LoadedMachine.tables[0], at: 511, of: machine.root)
      machine.setEntry(0x3 | LoadedMachine.tables[1], at: 511, of: LoadedMachine.tables[0])
      machine.setEntry(0x3 | LoadedMachine.tables[2], at: 510, of: LoadedMachine.tables[1])
    }

    private func translate(
      _ address: UInt64, in space: UnsafePointer<tessera_space>
    ) -> UInt64? {
      var target: UInt64 = 0
      return Int(tessera_translate(space, address, &target, nil)) == TESSERA_OK ? target : nil
    }

    @Test(arguments: [TESSERA_ADOPT, TESSERA_COPY])
    func `a kernel with five levels starts, and frees all frames`(half: Int) throws {
      try #require(machine.start { $0.kernel_half = UInt32(half) } == TESSERA_OK)
      let unused = machine.freeFrames
      var start: UInt64 = 0
      var end: UInt64 = 0
      expect(tessera_space_bounds(tessera_kernel_space(), &start, &end), TESSERA_OK)
      #expect((start, end) == (Self.area, Self.area + 1 << 39))
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_allocate(3 * 4096, Self.readWrite, &address), TESSERA_OK)
      let kernels = UInt64(UInt(bitPattern: address))
      #expect(kernels >= start && kernels < end)

      var spaces = [tessera_space(), tessera_space()]
      spaces.withUnsafeMutableBufferPointer { spaces in
        for index in 0..<2 {
          let space = spaces.baseAddress! + index
          expect(tessera_space_create(space), TESSERA_OK)
          expect(tessera_space_bounds(space, &start, &end), TESSERA_OK)
          // The kernel keeps at least one entry of the root.
          #expect((start, end) == (Self.span, 0x00ff_ffff_ffff_f000))
          for page in [start, Self.span + 0x8000_0000_0000, end - 4096] {
            expect(tessera_map_zeroed(space, page, 4096, Self.readWrite, nil), TESSERA_OK)
            #expect(translate(page + 5, in: space).map { $0 % 4096 } == 5)
          }
          #expect(translate(kernels, in: space) == translate(kernels, in: tessera_kernel_space()))
          #expect(translate(LoadedMachine.directMap + 0x12_3456, in: space) == 0x12_3456)
          #expect(translate(0xffff_ffff_8012_3456, in: space) == 0x12_3456)
          expect(tessera_space_activate(space), TESSERA_OK)
          var count: UInt64 = 1
          let text = gathering { tessera_audit_space(space, $0, $1, &count) }
          #expect((count, text) == (0, ""))
          let walk = gathering { tessera_print_walk(space, end - 4096, $0, $1) }
          #expect(walk.contains("L5[255]") && walk.contains("L1["))
        }
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
        for index in 0..<2 {
          expect(tessera_space_destroy(spaces.baseAddress! + index), TESSERA_OK)
        }
      }
      expect(tessera_kernel_free(address, 3 * 4096), TESSERA_OK)
      #expect(machine.violations == "")
      // The kernel virtual area keeps one table of each level below the root.
      #expect(machine.freeFrames == unused)
    }

    @Test func `the bounds of a space follow the address width of 57 bits`() throws {
      try #require(machine.start() == TESSERA_OK)
      var space = tessera_space()
      expect(tessera_space_create(&space), TESSERA_OK)
      for address in [
        0, Self.span - 4096, 0x00ff_ffff_ffff_f000, 1 << 56, 0xfeff_ffff_ffff_f000,
        0xff00_0000_0000_0000, Self.area, 0xffff_c000_0000_0000, .max - 4095,
      ] as [UInt64] {
        let status = tessera_map_zeroed(&space, address, 4096, Self.readWrite, nil)
        expect(status, TESSERA_ERROR_OUT_OF_BOUNDS, "at \(String(address, radix: 16))")
        if address < LoadedMachine.directMap || address >= 1 << 56 {
          #expect(translate(address, in: &space) == nil)
        }
      }
      for address in [Self.area - 4096, Self.area + 1 << 39, 0xffff_c000_0000_0000] as [UInt64] {
        expect(
          tessera_map_zeroed(tessera_kernel_space(), address, 4096, Self.readWrite, nil),
          TESSERA_ERROR_OUT_OF_BOUNDS)
      }
      let kernelsLast = Self.area + 1 << 39 - 4096
      for address in [Self.area, kernelsLast] {
        let kernel = tessera_kernel_space()
        expect(tessera_map_zeroed(kernel, address, 4096, Self.readWrite, nil), TESSERA_OK)
        expect(tessera_unmap(kernel, address, 4096, nil), TESSERA_OK)
      }
      expect(tessera_space_destroy(&space), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a mapping in the kernel virtual area is an error`() {
      machine.setEntry(0x3 | LoadedMachine.tables[0], at: 384, of: machine.root)
      #expect(machine.start() == TESSERA_ERROR_KERNEL_AREA_IN_USE)
      machine.setEntry(0, at: 384, of: machine.root)
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `the stack may lie in the kept entry of the root`() {
      let registers = simulated_registers_of(0)
      registers.pointee.stack_pointer = Self.span
      #expect(machine.start() == TESSERA_ERROR_STACK_IN_LOWER_HALF)
      registers.pointee.stack_pointer = Self.span - 8
      #expect(machine.start() == TESSERA_OK)
    }

    @Test func `the kernel may keep the whole lower half`() {
      #expect(machine.start { $0.kernel_low_end = 1 << 56 + 1 } == TESSERA_ERROR_INVALID_ARGUMENT)
      #expect(machine.start { $0.kernel_low_end = 1 << 56 - 1 << 48 } == TESSERA_OK)
      var space = tessera_space()
      var start: UInt64 = 0
      var end: UInt64 = 0
      expect(tessera_space_create(&space), TESSERA_OK)
      expect(tessera_space_bounds(&space, &start, &end), TESSERA_OK)
      #expect(start == 1 << 56 - 1 << 48)
      expect(tessera_space_destroy(&space), TESSERA_OK)
    }
  }
}
