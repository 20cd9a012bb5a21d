import SimulatedMachine
import Tessera
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  @Suite("Traps of user memory") struct UserMemoryTrapTests {
    @Test func `reading beyond the end of a reader traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneActiveSpace.read { reader in _ = reader.load(UInt32.self, at: 13) }
      }
      try expectPanic(in: result, "user memory access lies outside its reader or writer")
    }

    @Test func `an offset whose end wraps around traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneActiveSpace.read { reader in _ = reader.load(UInt64.self, at: .max - 3) }
      }
      try expectPanic(in: result, "user memory access lies outside its reader or writer")
    }

    @Test func `writing beyond the end of a writer traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneActiveSpace.write { writer in _ = writer.store(0 as UInt8, at: 16) }
      }
      try expectPanic(in: result, "user memory access lies outside its reader or writer")
    }

    @Test func `reading after another space was activated traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneActiveSpace.read { reader in
          let other = try VmSpace()
          other.activate()
          _ = reader.load(UInt64.self)
        }
      }
      try expectPanic(in: result, "user memory accessed while its space is not active")
    }

    @Test func `writing after the space was deactivated traps`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        try OneActiveSpace.write { writer in
          VmSpace.deactivate()
          _ = writer.store(0 as UInt64)
        }
      }
      try expectPanic(in: result, "user memory accessed while its space is not active")
    }

    /// The counterpart of the other tests: accesses in bounds succeed while the space is active.
    @Test func `accesses in bounds of an active space do not trap`() async {
      await #expect(processExitsWith: .success) {
        try OneActiveSpace.write { writer in
          precondition(writer.store(7 as UInt64, at: 8), "a store in bounds failed")
        }
        try OneActiveSpace.read { reader in
          precondition(reader.load(UInt64.self, at: 8) == 0, "a new page is not zero")
        }
      }
    }
  }
}

/// The 16 bytes at 0x5000, on a machine that exists until the process ends.
private enum OneActiveSpace {
  static func read(_ body: (borrowing UserMemoryReader) throws -> Void) throws {
    try run { space in try body(space.reader(of: bytes(0x5000, 16))) }
  }

  static func write(_ body: (borrowing UserMemoryWriter) throws -> Void) throws {
    try run { space in try body(space.writer(of: bytes(0x5000, 16))) }
  }

  private static func run(_ body: (borrowing VmSpace) throws -> Void) throws {
    let machine = SimulatedMachine(frameCount: 64)
    _ = Unmanaged.passRetained(machine)
    machine.mmu.options.setsAccessedAndDirty = true
    try machine.startKernelSpace()
    let space = try VmSpace()
    space.activate()
    try mapFrame(at: 0x5000, in: space)
    try body(space)
  }
}
