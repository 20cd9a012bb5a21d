import Tessera
import TesseraHeader

/// A sequence of valid and invalid calls of `tessera.h`, decoded from bytes, on its own machine.
///
/// Results of the calls are ignored. The invariants of the metadata and of the page tables of all
/// spaces are checked instead, and all frames must be free after everything has been freed.
public struct CallSequence {
  private var bytes: ArraySlice<UInt8>
  private let machine = LoadedMachine()
  private let spaces = Self.zeros(tessera_space.self, 3)
  private let cursor = Self.zeros(tessera_cursor.self, 1)
  /// Frames that were allocated, with or without a remaining handle.
  private var frames = [tessera_frame](repeating: 0, count: 8)
  public private(set) var callCount = 0

  public init(_ bytes: [UInt8]) { self.bytes = bytes[...] }

  private static func zeros<Value>(_: Value.Type, _ count: Int) -> UnsafeMutablePointer<Value> {
    let place = UnsafeMutableRawPointer.allocate(
      byteCount: count * MemoryLayout<Value>.stride, alignment: 16)
    place.initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Value>.stride)
    return place.assumingMemoryBound(to: Value.self)
  }

  /// A fault injected after all calls, to test that it is detected.
  public enum Sabotage: CaseIterable, Sendable {
    /// A leaked frame, allocated without the C API.
    case forgottenFrame
    /// A leaked space.
    case forgottenSpace
    /// An entry that refers to a frame that is not a page table.
    case strayEntry
  }

  /// Makes all calls on a machine whose configuration `configure` adjusts. Returns the violations
  /// found afterwards, or nil.
  public mutating func run(
    _ sabotage: Sabotage? = nil, configure: (inout tessera_config) -> Void = { _ in }
  ) -> String? {
    defer {
      spaces.deallocate()
      cursor.deallocate()
    }
    let half = UInt32(next() % 2)
    let status = machine.start(LoadedMachine.regions) { config in
      config.kernel_half = half
      configure(&config)
    }
    guard status == TESSERA_OK else { return "the start failed" }
    let free = machine.freeFrames
    while !bytes.isEmpty {
      call()
      callCount += 1
      if callCount % 8 == 0 && isUnlocked && violations != "" { break }
    }
    _ = tessera_cursor_close(cursor)
    if let sabotage { commit(sabotage) }
    if violations != "" { return violations }
    freeEverything()
    if violations != "" { return violations }
    return machine.freeFrames == free
      ? nil : "\(machine.freeFrames) frames are free, expected \(free)"
  }

  /// The reports of the audits of the metadata and of all spaces; empty if there are no violations.
  private var violations: String {
    var text = machine.violations
    for index in 0..<3 where tessera_space_root(spaces + index) != 0 {
      var count: UInt64 = 0
      text += gathering { tessera_audit_space(spaces + index, $0, $1, &count) }
    }
    return text
  }

  private mutating func commit(_ sabotage: Sabotage) {
    var space = tessera_space()
    switch sabotage {
    case .forgottenFrame:
      if let frame = try? Frame(allocating: PlainMemory()) { _ = frame.relinquish() }
    case .forgottenSpace: _ = tessera_space_create(&space)
    case .strayEntry:
      _ = tessera_space_create(spaces)
      machine.setEntry(0x1003, at: 5, of: tessera_space_root(spaces))
    }
  }

  private mutating func freeEverything() {
    _ = tessera_space_activate(tessera_kernel_space())
    for index in 0..<3 { _ = tessera_space_destroy(spaces + index) }
    var start: UInt64 = 0
    var end: UInt64 = 0
    _ = tessera_space_bounds(tessera_kernel_space(), &start, &end)
    _ = tessera_unmap(tessera_kernel_space(), start, end - start, nil)
    for number in 0..<(LoadedMachine.byteCount >> 12) {
      while Int(tessera_drop(number << 12)) == TESSERA_OK {}
    }
  }
}

extension CallSequence {
  private mutating func next() -> UInt8 { bytes.popFirst() ?? 0 }

  /// One of three spaces, initialized or not, the kernel space, or null.
  private mutating func space() -> UnsafeMutablePointer<tessera_space>? {
    switch next() % 8 {
    case 0...5: spaces + Int(next() % 3)
    case 6: tessera_kernel_space()
    default: nil
    }
  }

  /// An address close to a boundary, or a page that is likely to be in use.
  private mutating func address() -> UInt64 {
    let page = UInt64(next() % 16) << 12
    switch next() % 10 {
    case 0...5: return 0x80_0000_0000 + page
    case 6: return 0x80_0020_0000 - 0x8000 + page
    case 7: return 0xffff_c000_0000_0000 + page
    case 8: return 0x7fff_ffff_f000 &- 0x8000 &+ page
    default: return UInt64(next()) << 56 | UInt64(next()) << 40 | UInt64(next()) << 12 | 1
    }
  }

  private mutating func length() -> UInt64 {
    switch next() % 10 {
    case 0...7: UInt64(next() % 12) << 12
    case 8: 0x20_0000
    default: .max - UInt64(next())
    }
  }

  private mutating func frame() -> tessera_frame {
    switch next() % 8 {
    case 0...6: frames[Int(next() % 8)]
    default: UInt64(next()) << 15 | UInt64(next()) << 8
    }
  }

  private mutating func flags() -> UInt32 {
    next() % 4 == 0 ? UInt32(next()) << 3 | UInt32(next()) : [1, 3, 5, 0][Int(next() % 4)]
  }

  /// Makes one call.
  private mutating func call() {
    let conflict: UnsafeMutablePointer<tessera_conflict>? = nil
    switch next() % 32 {
    case 0, 1: _ = tessera_allocate(&frames[Int(next() % 8)])
    case 2: allocateFromRequest()
    case 3: _ = tessera_share(frame())
    case 4: _ = tessera_drop(frame())
    case 5: _ = tessera_drop_run(frame(), UInt64(next() % 4))
    case 6: _ = tessera_claim(frame())
    case 7: _ = tessera_space_create(spaces + Int(next() % 3))
    case 8: destroyUnlessLocked()
    case 9: _ = tessera_space_activate(space())
    case 10, 11: if isUnlocked { _ = tessera_map(space(), address(), frame(), flags(), conflict) }
    case 12:
      if isUnlocked {
        _ = tessera_map_run(space(), address(), frame(), UInt64(next() % 4), flags(), conflict)
      }
    case 13, 14:
      if isUnlocked { _ = tessera_map_zeroed(space(), address(), length(), flags(), conflict) }
    case 15:
      if isUnlocked {
        _ = tessera_map_device(space(), address(), 0xffff_0000, length(), flags(), conflict)
      }
    case 16: if isUnlocked { _ = tessera_replace(space(), address(), frame(), flags(), conflict) }
    case 17, 18: if isUnlocked { _ = tessera_unmap(space(), address(), length(), nil) }
    case 19: if isUnlocked { _ = tessera_protect(space(), address(), length(), flags(), nil) }
    case 20: if isUnlocked { _ = tessera_set_status(space(), address(), length(), 7, conflict) }
    case 21: if isUnlocked { _ = tessera_copy(space(), space(), address(), length(), conflict) }
    case 22: if isUnlocked { _ = gathering { tessera_dump(spaces, $0, $1) } }
    case 23:
      _ = tessera_cursor_open(cursor, space(), address(), length(), UInt32(next() % 3))
    case 24: _ = tessera_cursor_close(cursor)
    default: callOfCursor()
    }
  }

  /// Whether no cursor is open: a second one over the same tables on one processor would panic.
  private var isUnlocked: Bool { tessera_cursor_address(cursor) == 0 }

  private mutating func allocateFromRequest() {
    var request = tessera_request()
    request.size = UInt64(MemoryLayout<tessera_request>.size)
    request.count = UInt64(next() % 6)
    request.frame_size = [0, 4096, 0x20_0000, 5][Int(next() % 4)]
    request.flags = UInt64(next() % 3)
    _ = tessera_allocate_as(&request, &frames[Int(next() % 8)])
  }

  /// Destroys a space. Destroying one with an open cursor would panic.
  private mutating func destroyUnlessLocked() {
    if isUnlocked { _ = tessera_space_destroy(space()) }
  }

  private mutating func callOfCursor() {
    switch next() % 12 {
    case 0: _ = tessera_cursor_jump(cursor, address())
    case 1, 2: _ = tessera_cursor_map(cursor, frame(), flags(), nil)
    case 3: _ = tessera_cursor_map_run(cursor, frame(), UInt64(next() % 4), flags(), nil)
    case 4, 5: _ = tessera_cursor_map_zeroed(cursor, length(), flags(), nil)
    case 6: _ = tessera_cursor_replace(cursor, frame(), flags(), nil)
    case 7, 8: _ = tessera_cursor_unmap(cursor, length(), nil)
    case 9: _ = tessera_cursor_protect(cursor, length(), flags(), nil)
    case 10: _ = tessera_cursor_set_status(cursor, length(), 9, nil)
    default: _ = tessera_cursor_clear_access_bits(cursor, length(), UInt32(next()) << 8, nil)
    }
  }
}
