import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// `tessera_stop_processor`.
  @Suite("Stop of a processor in C") struct ProcessorStopCAPITests {
    let machine = LoadedMachine()
    private let page: UInt64 = 0x80_0000_0000

    init() throws { try #require(machine.start { $0.processor_count = 2 } == TESSERA_OK) }

    private var statistics: tessera_statistics {
      var statistics = tessera_statistics()
      statistics.size = UInt64(MemoryLayout<tessera_statistics>.size)
      expect(tessera_get_statistics(&statistics), TESSERA_OK)
      return statistics
    }

    @Test func `a processor that was not started, or was stopped, cannot stop`() {
      asProcessor(1) {
        expect(tessera_stop_processor(), TESSERA_ERROR_NOT_STARTED)
        expect(tessera_start_processor(), TESSERA_OK)
        expect(tessera_stop_processor(), TESSERA_OK)
        expect(tessera_stop_processor(), TESSERA_ERROR_NOT_STARTED)
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_ERROR_NOT_STARTED)
        expect(tessera_start_processor(), TESSERA_OK)
        expect(tessera_start_processor(), TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE)
        expect(tessera_space_activate(tessera_kernel_space()), TESSERA_OK)
      }
      #expect(machine.violations == "")
    }

    @Test func `a stopped processor keeps no frames in its cache, and uses frames all the same`() {
      func useFrames() {
        var frames = [tessera_frame](repeating: 0, count: 40)
        for index in frames.indices { expect(tessera_allocate(&frames[index]), TESSERA_OK) }
        for frame in frames { expect(tessera_drop(frame), TESSERA_OK) }
      }
      let before = statistics.cached_frames
      asProcessor(1) {
        expect(tessera_start_processor(), TESSERA_OK)
        useFrames()
        #expect(statistics.cached_frames > before)
        expect(tessera_stop_processor(), TESSERA_OK)
        #expect(statistics.cached_frames == before)
        useFrames()
        #expect(statistics.cached_frames == before)
        expect(tessera_start_processor(), TESSERA_OK)
        useFrames()
        #expect(statistics.cached_frames > before)
      }
      #expect(machine.violations == "")
    }

    @Test func `a processor that stops leaves its space`() {
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK)
      expect(tessera_map_zeroed(space, page, 0x3000, UInt32(TESSERA_READ), nil), TESSERA_OK)
      asProcessor(1) {
        expect(tessera_start_processor(), TESSERA_OK)
        expect(tessera_space_activate(space), TESSERA_OK)
        expect(tessera_stop_processor(), TESSERA_OK)
        #expect(
          simulated_registers_of(1).pointee.cr3 == tessera_space_root(tessera_kernel_space()))
      }
      // It does not answer.
      simulated_set_interrupt_handler {
        Issue.record("a processor that has stopped was interrupted")
        tessera_serve()
      }
      expect(tessera_unmap(space, page, 0x1000, nil), TESSERA_OK)
      expect(tessera_space_destroy(space), TESSERA_OK)
      simulated_set_interrupt_handler { tessera_serve() }
      #expect(machine.violations == "")
    }
  }
}
