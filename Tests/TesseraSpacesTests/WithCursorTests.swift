import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// A process of a kernel that keeps its space in an object.
private final class Process {
  let space: VmSpace
  init() throws(TesseraError) { space = try VmSpace() }
}

extension OnSimulatedMachine {
  @Suite("Cursors of closures") struct WithCursorTests {
    let machine: SimulatedMachine
    private let page = bytes(0x5000, 4096)

    init() throws {
      machine = SimulatedMachine(frameCount: 512)
      try machine.startKernelSpace()
    }

    private var isPreemptible: Bool {
      simulated_current_processor().pointee.preemption_depth == 0
    }

    @Test func `a constant, or a property of an object, is enough`() throws {
      let space = try VmSpace()
      let process = try Process()
      var first: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var second: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      try space.withCursor(over: page) { cursor throws(TesseraError) in
        try cursor.map(&first, as: .userReadWrite)
      }
      try process.space.withCursor(over: page) { cursor throws(TesseraError) in
        try cursor.map(&second, as: .userReadWrite)
      }
      #expect(space.translate(VirtualAddress(0x5000)) != nil)
      #expect(process.space.translate(VirtualAddress(0x5000)) != nil)
      #expect(machine.violations == [])
    }

    @Test func `the result is the closure's, and preemption is off only while it runs`() throws {
      let space = try VmSpace()
      try mapFrame(at: 0x5000, in: space)
      let unmapped = try space.withCursor(over: page) { cursor throws(TesseraError) in
        let isPreemptible = isPreemptible
        #expect(!isPreemptible)
        return try cursor.unmap(4096)
      }
      #expect(unmapped == 4096 && isPreemptible)
    }

    @Test func `an error of the closure leaves no lock and no cursor behind`() throws {
      let space = try VmSpace()
      let address = try mapFrame(at: 0x5000, in: space)
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      #expect(throws: TesseraError.alreadyMapped(page.lowerBound)) {
        try space.withCursor(over: page) { cursor throws(TesseraError) in
          try cursor.map(&frame, as: .userReadWrite)
        }
      }
      let isLost = isGone(frame)
      #expect(!isLost && isPreemptible)
      let found = try space.withCursor(overMapped: page) { cursor throws(TesseraError) in
        try cursor.query()
      }
      #expect(found.content == .mapped(address, .userReadWrite, ownsFrame: true))
      #expect(machine.violations == [])
    }

    @Test func `a range that cannot be locked is an error, and the closure does not run`() throws {
      let space = try VmSpace()
      var isCalled = false
      func error(_ range: Range<VirtualAddress>) -> TesseraError? {
        do throws(TesseraError) {
          try space.withCursor(over: range) { _ throws(TesseraError) in isCalled = true }
          return nil
        } catch { return error }
      }
      #expect(error(bytes(0x5000, 0)) == .empty)
      #expect(error(bytes(0x5001, 4096)) == .notAligned)
      #expect(error(bytes(VmSpace.end.rawValue, 4096)) == .outOfBounds)
      machine.failAllocation(1)
      #expect(error(page) == .outOfFrames)
      machine.failAllocation(0)
      #expect(!isCalled && isPreemptible)
      #expect(throws: TesseraError.outOfBounds) {
        try KernelSpace.withCursor(over: page) { _ throws(TesseraError) in isCalled = true }
      }
      #expect(!isCalled && isPreemptible)
    }

    @Test func `user memory and the frames of a segment are borrowed in the same way`() throws {
      machine.mmu.options.setsAccessedAndDirty = true
      let process = try Process()
      let segment = try Segment(allocating: 2) { _ in PlainMemory() }
      let second = segment.withFrame(at: 1) { frame in frame.address }
      #expect(second == segment.address + 4096)
      try mapFrame(at: 0x5000, in: process.space)
      #expect(throws: TesseraError.notActive) {
        try process.space.withReader(of: page) { _ throws(TesseraError) in }
      }
      process.space.activate()
      let isStored = try process.space.withWriter(of: page) { writer in
        writer.store(42 as UInt64, at: 8)
      }
      let found = try process.space.withReader(of: page) { reader in
        reader.load(UInt64.self, at: 8)
      }
      #expect(isStored && found == 42)
      VmSpace.deactivate()
      #expect(machine.violations == [])
    }

    @Test func `two spaces are open at once for a copy`() throws {
      let parent = try VmSpace()
      let child = try VmSpace()
      let address = try mapFrame(at: 0x5000, in: parent)
      try parent.withCursor(over: page) { source throws(TesseraError) in
        try child.withCursor(over: page, reservingNodes: true) { target throws(TesseraError) in
          try target.copy(from: &source, 4096)
        }
        let isPreemptible = isPreemptible
        #expect(!isPreemptible)
      }
      #expect(child.translate(page.lowerBound)?.address == address)
      #expect(machine.violations == [])
    }

    @Test func `pages of the kernel are changed in the same way`() throws {
      let start = KernelSpace.area.lowerBound
      let range = bytes(start.rawValue, 4096)
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      try KernelSpace.withCursor(over: range) { cursor throws(TesseraError) in
        try cursor.map(&frame, as: .kernelReadWrite)
      }
      #expect(KernelSpace.translate(start) != nil)
      try KernelSpace.withCursor(overMapped: range) { cursor throws(TesseraError) in
        try cursor.unmap(4096)
      }
      #expect(KernelSpace.translate(start) == nil && isPreemptible)
    }
  }
}
