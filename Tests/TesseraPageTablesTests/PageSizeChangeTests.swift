import CTessera
import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// A change of the size of pages from `PageSizeChange.start` on.
struct PageSizeChange: CustomTestStringConvertible, Sendable {
  static let start: UInt64 = 1 << 30
  let testDescription: String
  /// Maps what is to change its size.
  let prepare: @Sendable (borrowing VmSpace) throws -> Void
  /// Changes the size, and at most the rights of the first 4 KiB.
  let change: @Sendable (borrowing VmSpace) throws -> Void

  static let all: [PageSizeChange] = [
    .init("2 MiB split", mapFrame, protectFirst),
    .init(
      "1 GiB split twice", { try mapDevice(at: start, 1 << 38, 1 << 30, in: $0) }, protectFirst),
    .init(
      "512 pages collapsed",
      { space in
        try mapFrame(in: space)
        try protectFirst(in: space)
        try setRights(.readWrite, in: space)
      }, collapse),
  ]

  private init(
    _ testDescription: String, _ prepare: @escaping @Sendable (borrowing VmSpace) throws -> Void,
    _ change: @escaping @Sendable (borrowing VmSpace) throws -> Void
  ) {
    self.testDescription = testDescription
    self.prepare = prepare
    self.change = change
  }

  /// Maps a frame of 2 MiB.
  static func mapFrame(in space: borrowing VmSpace) throws {
    var frame: Frame<PlainMemory>? = try Frame(
      allocating: PlainMemory(), FrameRequest(size: .twoMiB))
    var cursor = try space.cursor(over: bytes(start, 2 << 20))
    try cursor.map(&frame, as: .userReadWrite)
  }

  static func protectFirst(in space: borrowing VmSpace) throws {
    try setRights(.read, in: space)
  }

  private static func setRights(_ access: PageAccess, in space: borrowing VmSpace) throws {
    var cursor = try space.cursor(over: bytes(start, 4096))
    try cursor.protect(4096, to: access)
  }

  private static func collapse(in space: borrowing VmSpace) throws {
    var cursor = try space.cursor(over: bytes(start, 4 << 20))
    #expect(cursor.collapse(4 << 20) == 1)
  }
}

/// What happens on other processors when they are interrupted, before they answer.
private enum Interrupted {
  /// Access: by the thread of the test, on which all simulated processors are.
  nonisolated(unsafe) private static var body: () -> Void = {}

  static func run(_ body: @escaping () -> Void, during change: () throws -> Void) rethrows {
    Self.body = body
    defer { Self.body = {} }
    simulated_set_interrupt_handler {
      Interrupted.body()
      TLBShootdown.serve()
    }
    try change()
  }
}

extension OnSimulatedMachine {
  /// What other processors see of pages that change their size.
  @Suite("Page size changes") struct PageSizeChangeTests {
    private static let lastPage = PageSizeChange.start + 511 << 12
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 4096, processorCount: 3)
      try machine.startKernelSpace()
      try machine.startProcessors()
      machine.mmu.options.sizeChange = .atOnce
      machine.mmu.options.setsAccessedAndDirty = true
    }

    /// A space that is active on processors 1 and 2, with what `change` is to change.
    private func makeSpace(for change: PageSizeChange) throws -> VmSpace {
      let space = try VmSpace()
      try change.prepare(space)
      _ = machine.mmu.takeViolations()
      for processor in 1...2 { asProcessor(processor) { space.activate() } }
      return space
    }

    private func leave() {
      for processor in 1...2 { asProcessor(processor) { VmSpace.deactivate() } }
    }

    @Test(arguments: PageSizeChange.all)
    func `no processor may have user pages of both sizes`(change: PageSizeChange) throws {
      do {
        let space = try makeSpace(for: change)
        try change.change(space)
        machine.checkCoherent()
        #expect(space.problems == [])
        leave()
      }
      #expect(machine.violations == [])
    }

    /// The detector sees: without the flush in between, they may.
    @Test(arguments: PageSizeChange.all)
    func `without a flush, others may have both sizes`(change: PageSizeChange) throws {
      let space = try makeSpace(for: change)
      unsafe FlushSwitch.turnElsewhere(off: true)
      try change.change(space)
      unsafe FlushSwitch.turnElsewhere(off: false)
      let violations = machine.mmu.takeViolations()
      #expect(violations.contains { $0.contains("may cache two sizes") })
      leave()
    }

    @Test(arguments: PageSizeChange.all)
    func `software finds pages mapped while they change their size`(change: PageSizeChange) throws {
      let space = try makeSpace(for: change)
      let root = space.rootNode
      let place = VirtualAddress(Self.lastPage + 5)
      let mapped = space.translate(place)
      let before = try #require(mapped)
      var found: [Bool] = []
      var isPresent: [Bool] = []
      try Interrupted.run {
        let now = root.translate(place)
        found.append(now?.address == before.address && now?.property.access == .readWrite)
        isPresent.append((try? machine.mmu.translate(place.rawValue, on: 1)) != nil)
      } during: {
        try change.change(space)
      }
      #expect(found.count >= 2 && found.allSatisfy { $0 })
      // The page was taken away for a moment, and is there again when its first part is flushed.
      #expect(isPresent.contains(false))
      #expect(
        try machine.mmu.translate(place.rawValue, on: 1).physicalAddress <= before.address.rawValue)
      leave()
      #expect(machine.violations == [])
    }

    /// A processor that has the large page may write to it until it has flushed.
    @Test(arguments: [false, true])
    func `what is written while a page is split leaves a dirty bit, or faults`(
      wasDirty: Bool
    ) throws {
      let space = try makeSpace(for: PageSizeChange.all[0])
      if wasDirty { try machine.mmu.write(1 as UInt64, at: Self.lastPage, on: 1) }
      var attempts: [Bool] = []
      try Interrupted.run {
        attempts.append((try? machine.mmu.write(2 as UInt64, at: Self.lastPage, on: 1)) != nil)
      } during: {
        try PageSizeChange.protectFirst(in: space)
      }
      #expect(attempts.first == wasDirty, "only a page that was dirty is written without a walk")
      let isDirty = space.translate(VirtualAddress(Self.lastPage))?.property.isDirty
      #expect(isDirty == attempts.contains(true))
      leave()
    }

    @Test func `kernel pages stay present while they change their size`() throws {
      machine.mmu.options.sizeChange = .byChecks
      let start = (KernelSpace.area.lowerBound.rawValue + (4 << 20) - 1) & ~((4 << 20) - 1)
      func change(_ body: (inout Cursor) throws -> Void) throws {
        var cursor = try KernelSpace.cursor(over: bytes(start, 4 << 20))
        try body(&cursor)
      }
      var frame: Frame<PlainMemory>? = try Frame(
        allocating: PlainMemory(), FrameRequest(size: .twoMiB))
      try change { try $0.map(&frame, as: .kernelReadWrite) }
      var isPresent: [Bool] = []
      try Interrupted.run {
        for page in [start, start + 511 << 12] {
          let found = try? machine.mmu.translate(page, as: .supervisor, on: Processor.current)
          isPresent.append(found != nil)
        }
      } during: {
        try change { try $0.protect(4096, to: .read) }
        try change { try $0.protect(4096, to: .readWrite) }
        try change { #expect($0.collapse(4 << 20) == 1) }
      }
      // Rights that are added are not flushed.
      #expect(isPresent == [Bool](repeating: true, count: 2 * 2 * 2))
      machine.checkCoherent()
      try change { try $0.unmap(4 << 20) }
      #expect(machine.violations == [])
    }
  }
}
