import CTessera
import CallFuzz
import Foundation
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Several processors that create or destroy the same structure at once: one of them succeeds.
  @Suite("Races for handles") struct HandleRaceTests {
    let machine = LoadedMachine()
    let pool = KernelPool([0x200..<0x800])
    static let page: UInt64 = 0x80_0000_0000

    private func startOnPool() throws {
      let status = machine.start { config in
        config.allocate_frames = KernelPool.allocateFrames
        config.free_frames = KernelPool.freeFrames
        config.frames_context = pool.context
        config.processor_count = 2
      }
      try #require(status == TESSERA_OK)
    }

    @Test func `a space that is being created cannot be created by another processor`() throws {
      try startOnPool()
      let space = Shared(tessera_space())
      let other = Shared(tessera_result(-1))
      pool.onNextAllocation {
        onProcessor(1) { other.value = tessera_space_create(space.pointer) }
      }
      expect(tessera_space_create(space.pointer), TESSERA_OK)
      expect(other.value, TESSERA_ERROR_IN_USE)
      expect(tessera_space_destroy(space.pointer), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a structure is free again after its space could not be created`() throws {
      try startOnPool()
      let space = Shared(tessera_space())
      pool.failCall(1)
      expect(tessera_space_create(space.pointer), TESSERA_ERROR_OUT_OF_FRAMES)
      expect(tessera_space_destroy(space.pointer), TESSERA_ERROR_INVALID_SPACE)
      pool.failCall(0)
      expect(tessera_space_create(space.pointer), TESSERA_OK)
      expect(tessera_space_destroy(space.pointer), TESSERA_OK)
    }

    @Test func `a cursor that is being opened cannot be opened by another processor`() throws {
      try startOnPool()
      let space = Shared(tessera_space())
      let cursor = Shared(tessera_cursor())
      let other = Shared(tessera_result(-1))
      expect(tessera_space_create(space.pointer), TESSERA_OK)
      expect(
        tessera_map_zeroed(space.pointer, Self.page, 4096, UInt32(TESSERA_READ), nil), TESSERA_OK)
      pool.onNextAllocation {
        onProcessor(1) {
          other.value = tessera_cursor_open(cursor.pointer, space.pointer, Self.page, 4096, 0)
        }
      }
      expect(
        tessera_cursor_open(
          cursor.pointer, space.pointer, Self.page + 1 << 30, 1 << 22,
          UInt32(TESSERA_RESERVE_TABLES)), TESSERA_OK)
      expect(other.value, TESSERA_ERROR_IN_USE)
      #expect(tessera_cursor_address(cursor.pointer) == Self.page + 1 << 30)
      expect(tessera_cursor_close(cursor.pointer), TESSERA_OK)
      expect(tessera_space_destroy(space.pointer), TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `a structure is free again after its cursor could not be opened`() throws {
      try startOnPool()
      let cursor = Shared(tessera_cursor())
      let kernel = tessera_kernel_space()
      expect(
        tessera_cursor_open(cursor.pointer, kernel, Self.page, 4096, 0),
        TESSERA_ERROR_OUT_OF_BOUNDS)
      let area: UInt64 = 0xffff_c000_0000_0000
      expect(tessera_cursor_open(cursor.pointer, kernel, area, 4096, 0), TESSERA_OK)
      expect(tessera_cursor_close(cursor.pointer), TESSERA_OK)
    }

    @Test func `of processors that create, open, close and destroy at once one succeeds`() throws {
      try #require(machine.start { $0.processor_count = 4 } == TESSERA_OK)
      let free = machine.freeFrames
      let space = Shared(tessera_space())
      let cursor = Shared(tessera_cursor())
      let steps: [@Sendable () -> tessera_result] = [
        { tessera_space_create(space.pointer) },
        { tessera_cursor_open(cursor.pointer, space.pointer, Self.page, 4096, 0) },
        { tessera_cursor_close(cursor.pointer) },
        { tessera_space_destroy(space.pointer) },
      ]
      for round in 0..<200 {
        for (index, step) in steps.enumerated() {
          let successes = Successes()
          let gate = Gate(4)
          onProcessors(0..<4) {
            gate.pass()
            if Int(step()) == TESSERA_OK { successes.add() }
          }
          try #require(successes.count == 1, "step \(index) of round \(round)")
        }
      }
      #expect(machine.violations == "")
      // Caches of other processors have frames too, all of which count as free.
      #expect(machine.freeFrames == free)
    }
  }
}

extension OnSimulatedMachine.HandleRaceTests {
  @Test func `processors that make spaces at once get memory of their own`() throws {
    try #require(machine.start { $0.processor_count = 4 } == TESSERA_OK)
    let free = machine.freeFrames
    onProcessors(0..<4) {
      var held: [UnsafeMutablePointer<tessera_space>] = []
      for round in 0..<600 {
        var space: UnsafeMutablePointer<tessera_space>?
        if Int(tessera_space_new(&space)) == TESSERA_OK, let space { held.append(space) }
        guard held.count > 40 || round > 500, !held.isEmpty else { continue }
        expect(tessera_space_destroy(held.remove(at: round % held.count)), TESSERA_OK)
      }
      for space in held { expect(tessera_space_destroy(space), TESSERA_OK) }
    }
    #expect(machine.violations == "")
    #expect(machine.freeFrames == free)
  }
}

/// A value at a fixed address that several threads use.
private final class Shared<Value>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Value>

  init(_ value: Value) {
    pointer = .allocate(capacity: 1)
    pointer.initialize(to: value)
  }

  deinit { pointer.deallocate() }

  var value: Value {
    get { pointer.pointee }
    set { pointer.pointee = newValue }
  }
}

/// Counts what succeeded on several threads.
private final class Successes: @unchecked Sendable {
  private let lock = NSLock()
  private var number = 0
  var count: Int { lock.withLock { number } }
  func add() { lock.withLock { number += 1 } }
}

/// Holds threads until `count` of them have come.
private final class Gate: @unchecked Sendable {
  private let lock = NSLock()
  private var missing: Int
  init(_ count: Int) { missing = count }

  func pass() {
    lock.withLock { missing -= 1 }
    while lock.withLock({ missing }) > 0 { sched_yield() }
  }
}

/// Runs `body` on processor `number`, and waits for it.
private func onProcessor(_ number: Int, _ body: @escaping @Sendable () -> Void) {
  onProcessors(number..<number + 1, body)
}

/// Runs `body` on each of the processors, and waits for them.
private func onProcessors(_ numbers: Range<Int>, _ body: @escaping @Sendable () -> Void) {
  let done = DispatchGroup()
  for number in numbers {
    let thread = Thread {
      simulated_current_processor().pointee.number = UInt32(number)
      body()
      done.leave()
    }
    done.enter()
    thread.start()
  }
  done.wait()
}
