import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// `tessera_visit`, whose callback may call everything.
  @Suite("Visits in C") struct VisitTests {
    let machine: LoadedMachine
    let space = UnsafeMutablePointer<tessera_space>.allocate(capacity: 1)
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    let page: UInt64 = 0x80_0000_0000

    init() throws {
      machine = try LoadedMachine.started()
      space.initialize(repeating: tessera_space(), count: 1)
      expect(tessera_space_create(space), TESSERA_OK)
    }

    /// Calls `body` with each run of pages of the `length` bytes from the page.
    private func visit(
      _ length: UInt64, _ expected: Int = TESSERA_OK, _ body: @escaping (tessera_page) -> Void
    ) {
      var body = body
      withUnsafeMutablePointer(to: &body) { place in
        let status = tessera_visit(
          space, page, length,
          { context, run in
            guard let context, let run = run?.pointee else { return }
            context.assumingMemoryBound(to: ((tessera_page) -> Void).self).pointee(run)
          }, place)
        expect(status, expected)
      }
    }

    /// The first page, the number of bytes, the content and the status of each run.
    private func runs(_ length: UInt64) -> [[UInt64]] {
      var runs: [[UInt64]] = []
      visit(length) { runs.append([$0.address, $0.length, UInt64($0.content), UInt64($0.status)]) }
      return runs
    }

    private func query(_ address: UInt64) -> Int {
      var found = tessera_page()
      found.size = UInt64(MemoryLayout<tessera_page>.size)
      expect(tessera_query(space, address, &found), TESSERA_OK)
      return Int(found.content)
    }

    private let absent = UInt64(TESSERA_PAGE_ABSENT)
    private let device = UInt64(TESSERA_PAGE_DEVICE)
    private let status = UInt64(TESSERA_PAGE_STATUS)

    @Test func `a run goes on across page tables`() {
      // Not in large pages: the memory is aligned otherwise than the addresses.
      let memory: UInt64 = 0x1_0000_0000 + 0x1000
      expect(
        tessera_map_device(space, page + 0x1f_e000, memory, 0x40_4000, readWrite, nil), TESSERA_OK)
      #expect(
        runs(8 << 20) == [
          [page, 0x1f_e000, absent, 0], [page + 0x1f_e000, 0x40_4000, device, 0],
          [page + 0x60_2000, 0x1f_e000, absent, 0],
        ])
      #expect(runs(1 << 46).last == [page + 0x60_2000, (1 << 46) - 0x60_2000, absent, 0])
      expect(tessera_unmap(space, page, 8 << 20, nil), TESSERA_OK)
      #expect(runs(1 << 46) == [[page, 1 << 46, absent, 0]])
    }

    @Test func `runs end where the content changes`() {
      expect(tessera_set_status(space, page, 0x40_0000, 1, nil), TESSERA_OK)
      expect(tessera_set_status(space, page + 0x40_0000, 4096, 1, nil), TESSERA_OK)
      expect(tessera_set_status(space, page + 0x40_1000, 4096, 2, nil), TESSERA_OK)
      let first: UInt64 = 0x1_0000_0000
      expect(
        tessera_map_device(space, page + 0x60_0000, first, 0x40_0000, readWrite, nil), TESSERA_OK)
      #expect(
        runs(0xa0_0000) == [
          [page, 0x40_1000, status, 1], [page + 0x40_1000, 4096, status, 2],
          [page + 0x40_2000, 0x1f_e000, absent, 0],
          // Each large page is a run of its own.
          [page + 0x60_0000, 2 << 20, device, 0], [page + 0x80_0000, 2 << 20, device, 0],
        ])
      // Within the range only.
      #expect(runs(4096) == [[page, 4096, status, 1]])
      #expect(runs(0x60_1000).last == [page + 0x60_0000, 4096, device, 0])
      expect(tessera_protect(space, page + 0x60_0000, 4096, 0, nil), TESSERA_OK)
      #expect(
        runs(0x80_0000).suffix(2) == [
          [page + 0x60_0000, 4096, device, 0], [page + 0x60_1000, 0x1f_f000, device, 0],
        ])
    }

    @Test func `the callback may use the pages that are visited, and all others`() {
      let free = machine.freeFrames
      for index in [0, 2, 4, 512, 514] as [UInt64] {
        expect(tessera_map_zeroed(space, page + index * 4096, 4096, readWrite, nil), TESSERA_OK)
      }
      var visited: [UInt64] = []
      visit(4 << 20) { run in
        #expect(query(run.address) == Int(run.content))
        #expect(query(page + 1 << 45) == TESSERA_PAGE_ABSENT)
        #expect(runs(4 << 20).count >= 1, "a visit within a visit")
        guard Int(run.content) == TESSERA_PAGE_FRAME else { return }
        visited.append((run.address - page) / 4096)
        expect(tessera_unmap(space, run.address, run.length, nil), TESSERA_OK)
        var cursor = tessera_cursor()
        withUnsafeMutablePointer(to: &cursor) { cursor in
          expect(tessera_cursor_open(cursor, space, page, 4 << 20, 0), TESSERA_OK)
          expect(tessera_cursor_close(cursor), TESSERA_OK)
        }
        var address: UnsafeMutableRawPointer?
        expect(tessera_kernel_allocate(4096, readWrite, &address), TESSERA_OK)
        expect(tessera_kernel_free(address, 4096), TESSERA_OK)
      }
      #expect(visited == [0, 2, 4, 512, 514])
      #expect(machine.freeFrames == free, "pages and tables are free")
    }

    @Test func `a visit sees what the callback changes far away`() {
      var seen: [[UInt64]] = []
      expect(tessera_map_zeroed(space, page, 4096, readWrite, nil), TESSERA_OK)
      expect(tessera_set_status(space, page + 1 << 39, 4096, 1, nil), TESSERA_OK)
      visit(1 << 40) { run in
        if Int(run.content) == TESSERA_PAGE_FRAME {
          expect(tessera_set_status(space, page + 1 << 39, 4096, 5, nil), TESSERA_OK)
        }
        seen.append([run.address - page, run.length, UInt64(run.status)])
      }
      let far: UInt64 = 1 << 39
      let expected: [[UInt64]] = [
        [0, 4096, 0], [4096, far - 4096, 0], [far, 4096, 5], [far + 4096, far - 4096, 0],
      ]
      #expect(seen == expected)
    }

    @Test func `a visit of every second page sees each`() {
      for index in 0..<64 as Range<UInt64> {
        expect(
          tessera_set_status(space, page + index * 8192, 4096, UInt32(index), nil), TESSERA_OK)
      }
      var statuses: [UInt32] = []
      visit(64 * 8192) { if Int($0.content) == TESSERA_PAGE_STATUS { statuses.append($0.status) } }
      #expect(statuses == Array(0..<64))
    }

    @Test func `a visit allocates nothing`() {
      simulated_fail_allocation(1)
      #expect(runs(1 << 40) == [[page, 1 << 40, absent, 0]])
      #expect(simulated_failed_allocations() == 0)
      simulated_fail_allocation(0)
    }
  }
}
