import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// A table that becomes empty while another processor has the lock of the table above.
  @Suite("Empty tables in C") struct EmptyTableCAPITests {
    private static let page: UInt64 = 0x80_0000_0000
    private static let largePage: UInt64 = 2 << 20
    let machine = LoadedMachine()

    /// What the interrupt and the observer do. Access: by the only thread of the test.
    nonisolated(unsafe) private static var space: UnsafeMutablePointer<tessera_space>?
    nonisolated(unsafe) private static var cursor = tessera_cursor()
    nonisolated(unsafe) private static var cursorIsOpen = false
    nonisolated(unsafe) private static var pageIsMapped = false

    init() throws {
      try #require(machine.start { $0.processor_count = 3 } == TESSERA_OK)
      for processor in 1...2 {
        asProcessor(processor) { expect(tessera_start_processor(), TESSERA_OK) }
      }
      expect(tessera_space_new(&Self.space), TESSERA_OK)
      for page in [Self.page, Self.page + Self.largePage] {
        expect(
          tessera_map_zeroed(Self.space, page, 4096, UInt32(TESSERA_READ), nil), TESSERA_OK)
      }
      asProcessor(2) {
        expect(
          tessera_cursor_open(
            &Self.cursor, Self.space, Self.page + Self.largePage, 2 * Self.largePage, 0),
          TESSERA_OK)
      }
      Self.cursorIsOpen = true
      Self.pageIsMapped = true
    }

    private static func closeCursor() {
      guard cursorIsOpen else { return }
      cursorIsOpen = false
      asProcessor(2) { expect(tessera_cursor_close(&cursor), TESSERA_OK) }
    }

    /// Unmaps the page, once: a later call would remove the table that stayed.
    private static func unmapPage() {
      guard pageIsMapped else { return }
      pageIsMapped = false
      expect(tessera_unmap(space, page, 4096, nil), TESSERA_OK)
    }

    /// Has processor 1 unmap the page while the cursor of processor 2 is open, which is closed when
    /// processor 1 flushes. Returns how many bytes the entry covers that says that it is absent.
    private func unmapUnderLockedParent(askedMeanwhile isAsked: Bool) -> UInt64 {
      var observer = simulated_observer(
        context: nil,
        entry_write: { _, _, _, _, _ in },
        frame_free: { _, _, _, _ in },
        control: { _, _, _, _, _ in EmptyTableCAPITests.closeCursor() },
        user_copy: { _, _, _, _, _, _ in 0 })
      simulated_install_observer(&observer)
      if isAsked {
        // Processor 1 is interrupted because kernel memory is freed, but has not answered yet.
        simulated_set_interrupt_handler {
          if simulated_current_processor().pointee.number == 1 {
            EmptyTableCAPITests.unmapPage()
          }
          tessera_serve()
        }
        var memory: UnsafeMutableRawPointer?
        expect(tessera_kernel_allocate(4096, UInt32(TESSERA_READ), &memory), TESSERA_OK)
        expect(tessera_kernel_free(memory, 4096), TESSERA_OK)
        simulated_set_interrupt_handler { tessera_serve() }
      } else {
        asProcessor(1) { Self.unmapPage() }
      }
      simulated_install_observer(nil)
      Self.closeCursor()
      var description = tessera_page()
      description.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(Self.space, Self.page, &description), TESSERA_OK)
      #expect(Int(description.content) == TESSERA_PAGE_ABSENT)
      expect(tessera_space_destroy(Self.space), TESSERA_OK)
      #expect(machine.violations == "")
      return description.length
    }

    @Test func `it is removed once the other processor has released the lock`() {
      #expect(unmapUnderLockedParent(askedMeanwhile: true) == Self.largePage)
    }

    /// The other processor may be waiting for this one, by a cursor that this one has open.
    @Test func `it stays if the other processor keeps the lock`() {
      #expect(unmapUnderLockedParent(askedMeanwhile: false) == 4096)
    }
  }
}
