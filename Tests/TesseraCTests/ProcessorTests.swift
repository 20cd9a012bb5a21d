import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Processors other than the one that starts Tessera.
  @Suite("Processors in C") struct ProcessorTests {
    let machine = LoadedMachine()
    let page: UInt64 = 0x80_0000_0000

    init() throws { try #require(machine.start { $0.processor_count = 4 } == TESSERA_OK) }

    private func registers(_ number: UInt32) -> UnsafeMutablePointer<simulated_registers> {
      simulated_registers_of(number)
    }

    private var kernelRoot: UInt64 { tessera_space_root(tessera_kernel_space()) }

    private func references(to frame: UInt64) -> UInt64 {
      var info = tessera_frame_info()
      info.size = UInt64(MemoryLayout<tessera_frame_info>.size)
      expect(tessera_frame_query(frame, &info), TESSERA_OK)
      #expect(Int(info.usage) == TESSERA_FRAME_PAGE_TABLE)
      return info.references
    }

    @Test func `a started processor runs on the kernel's root and holds a reference to it`() {
      let count = references(to: kernelRoot)
      asProcessor(2) {
        expect(tessera_start_processor(), TESSERA_OK)
        #expect(registers(2).pointee.cr3 == kernelRoot)
        #expect(references(to: kernelRoot) == count + 1)
        #expect(registers(2).pointee.efer & 1 << 11 != 0)
        #expect(registers(2).pointee.pat == registers(0).pointee.pat)
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
        #expect(references(to: kernelRoot) == count + 1)
        #expect(machine.violations == "")
      }
      #expect(machine.violations == "")
    }

    @Test func `a trampoline that loaded the kernel's root does not free it`() throws {
      let count = references(to: kernelRoot)
      registers(1).pointee.cr3 = kernelRoot
      asProcessor(1) {
        expect(tessera_start_processor(), TESSERA_OK)
        var space: UnsafeMutablePointer<tessera_space>?
        expect(tessera_space_new(&space), TESSERA_OK)
        for _ in 0..<3 {
          expect(tessera_space_activate(space), TESSERA_OK)
          #expect(references(to: kernelRoot) == count)
          expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
          #expect(references(to: kernelRoot) == count + 1)
        }
        expect(tessera_space_destroy(space), TESSERA_OK)
      }
      #expect(machine.violations == "")
    }

    @Test func `two processors with one number are an error`() {
      // As if the kernel's function were not linked.
      expect(tessera_start_processor(), TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE)
      asProcessor(3) {
        expect(tessera_start_processor(), TESSERA_OK)
        let cr3 = registers(3).pointee.cr3
        expect(tessera_start_processor(), TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE)
        #expect(registers(3).pointee.cr3 == cr3)
      }
      asProcessor(4) {
        expect(tessera_start_processor(), TESSERA_ERROR_PROCESSOR_NUMBER_OUT_OF_BOUNDS)
      }
      #expect(machine.violations == "")
    }

    @Test func `a space cannot be activated on a processor that was not started`() {
      asProcessor(1) {
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_ERROR_NOT_STARTED)
        expect(tessera_start_processor(), TESSERA_OK)
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      }
    }

    @Test func `a processor that differs from the first is an error, and nothing changes`() {
      let before = registers(1).pointee
      let features = simulated_current_features()
      func demand(_ expected: Int, _ change: () -> Void) {
        change()
        let changed = registers(1).pointee
        asProcessor(1) { expect(tessera_start_processor(), expected) }
        #expect(registers(1).pointee.cr3 == before.cr3)
        #expect(registers(1).pointee.efer == changed.efer)
        #expect(registers(1).pointee.pat == changed.pat)
        simulated_set_features(features)
        simulated_hide_features(false, false)
        registers(1).pointee = before
      }
      demand(TESSERA_ERROR_DIFFERENT_PAGING_LEVELS) { registers(1).pointee.cr4 |= 1 << 12 }
      demand(TESSERA_ERROR_UNSUPPORTED_PROCESSOR) { simulated_hide_features(true, false) }
      demand(TESSERA_ERROR_DIFFERENT_MEMORY_TYPES) { simulated_hide_features(false, true) }
      func set(width: UInt32 = 40, hasOneGiBPages: Bool = true) {
        var changed = features
        changed.physical_address_width = width
        changed.has_one_gib_pages = hasOneGiBPages
        simulated_set_features(changed)
      }
      demand(TESSERA_ERROR_DIFFERENT_PAGE_SIZES) { set(hasOneGiBPages: false) }
      demand(TESSERA_ERROR_DIFFERENT_ADDRESS_WIDTH) { set(width: 39) }
      demand(TESSERA_ERROR_STACK_IN_LOWER_HALF) {
        registers(1).pointee.stack_pointer = 1 << 40
      }
      demand(TESSERA_ERROR_CODE_IN_LOWER_HALF) {
        registers(1).pointee.instruction_pointer = 1 << 40
      }
      demand(TESSERA_ERROR_GDT_IN_LOWER_HALF) { registers(1).pointee.segments.base = 1 << 40 }
      set(width: 46)
      asProcessor(1) { expect(tessera_start_processor(), TESSERA_OK) }
      simulated_set_features(features)
    }

    @Test func `a space that a kernel loaded into CR3 is flushed once it is activated`() {
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK)
      expect(tessera_map_zeroed(space, page, 0x2000, UInt32(TESSERA_READ), nil), TESSERA_OK)
      let root = tessera_space_root(space)
      registers(0).pointee.cr3 = root
      expect(tessera_space_activate(space), TESSERA_OK)
      #expect(references(to: root) == 2)
      let before = flushCount
      expect(tessera_unmap(space, page, 0x1000, nil), TESSERA_OK)
      #expect(flushCount == before + 1)
      registers(0).pointee.cr3 = kernelRoot
      expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      #expect(references(to: root) == 1)
      expect(tessera_space_destroy(space), TESSERA_OK)
      #expect(machine.violations == "")
    }

    private var flushCount: UInt64 {
      var statistics = tessera_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
      expect(tessera_get_statistics(&statistics), TESSERA_OK)
      return statistics.flushes
    }

    @Test func `the audit finds a root in CR3 that was not activated`() {
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK)
      registers(0).pointee.cr3 = tessera_space_root(space)
      let problem = "CR3 was loaded with another root than the one activated"
      #expect(machine.violations.contains(problem))
      registers(0).pointee.cr3 = kernelRoot
      #expect(machine.violations == "")
      expect(tessera_space_destroy(space), TESSERA_OK)
    }
  }
}
