import CallFuzz
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Violates an invariant in each of the parts that the audits check. The tests of the checkers
  /// themselves violate all.
  @Suite("Audit") struct AuditTests {
    let machine = LoadedMachine()

    init() { #expect(machine.start() == TESSERA_OK) }

    /// What an audit counts and writes.
    private struct Report: Equatable {
      let count: UInt64
      let text: String

      init(_ count: UInt64, _ text: String) {
        self.count = count
        self.text = text
      }
    }

    /// The report of the audit of everything.
    private func audit() -> Report {
      var count: UInt64 = .max
      let text = gathering { tessera_audit($0, $1, &count) }
      return Report(count, text)
    }

    @Test func `an audit of a machine in order counts and writes nothing`() {
      #expect(audit() == Report(0, ""))
    }

    @Test func `an audit reports a slot that violates an invariant, with its address`() {
      var frame = tessera_frame()
      expect(tessera_allocate(&frame), TESSERA_OK)
      let slot = FrameTable.slot(number: frame >> 12)
      slot.setListIdentifier(1)
      #expect(
        audit()
          == Report(1, "broken: frame in a list is not unique (0x\(String(frame, radix: 16)))\n"))
      slot.setListIdentifier(0)
      #expect(audit() == Report(0, ""))
    }

    @Test func `an audit counts all violations of the allocator, and writes the first 16`() {
      var frames = [tessera_frame](repeating: 0, count: 20)
      for index in frames.indices { expect(tessera_allocate(&frames[index]), TESSERA_OK) }
      for frame in frames { expect(tessera_drop(frame), TESSERA_OK) }
      let slots = frames.map { FrameTable.slot(number: $0 >> 12) }
      for slot in slots { slot.setKind(.plain) }
      let report = audit()
      #expect(report.count == 20)
      #expect(report.text.split(separator: "\n").count == 17)
      let more = "there are more violations of the allocator's"
      #expect(report.text.hasSuffix("broken: \(more)\n"))
      for slot in slots { slot.setKind(.cached) }
      #expect(audit() == Report(0, ""))
    }

    @Test func `an audit reports a free frame that the allocator has lost`() {
      var frame = tessera_frame()
      expect(tessera_allocate(&frame), TESSERA_OK)
      expect(tessera_drop(frame), TESSERA_OK)
      let slot = FrameTable.slot(number: frame >> 12)
      slot.setKind(.plain)
      #expect(audit() == Report(1, "broken: frame in a cache does not have the kind of one\n"))
      slot.setKind(.cached)
      #expect(audit() == Report(0, ""))
    }

    @Test func `an audit reports an entry of the kernel's space, with its address`() {
      let root = tessera_space_root(tessera_kernel_space())
      machine.setEntry(0x1003, at: 5, of: root)
      #expect(
        audit() == Report(1, "broken: kernel root has an entry in the user range (0x28000000000)\n")
      )
      machine.setEntry(0, at: 5, of: root)
      #expect(audit() == Report(0, ""))
    }

    @Test func `an audit of a space reports an entry of its tables, with its address`() {
      var space = tessera_space()
      expect(tessera_space_create(&space), TESSERA_OK)
      machine.setEntry(0x1003, at: 5, of: tessera_space_root(&space))
      var count: UInt64 = 0
      let text = gathering { tessera_audit_space(&space, $0, $1, &count) }
      #expect(count > 0)
      #expect(
        text.contains(
          "broken: entry refers to a table whose frame is not a node (0x28000000000)\n"))
      machine.setEntry(0, at: 5, of: tessera_space_root(&space))
      expect(tessera_space_destroy(&space), TESSERA_OK)
      #expect(audit() == Report(0, ""))
    }
  }
}
