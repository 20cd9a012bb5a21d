internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_cursor` that was found to be open, where the kernel keeps it.
///
/// Its first word is a seal, as that of a space is, and the second leads to its space.
@safe
struct CursorHandle {
  private let storage: UnsafeMutablePointer<tessera_cursor>

  /// The cursor at `pointer`. Refused with NULL and CURSOR.
  @unsafe init(_ pointer: UnsafeMutablePointer<tessera_cursor>?) throws(APIError) {
    unsafe storage = try check(pointer)
    // SAFETY: the caller lends the memory.
    let isOpen = unsafe storage.pointee.opaque.0 == Self.seal(of: storage)
    try check(isOpen, TESSERA_ERROR_INVALID_CURSOR)
  }

  /// Refuses with IN_USE if a cursor is open at `storage`, which the caller lends.
  @unsafe static func checkNotOpen(
    at storage: UnsafeMutablePointer<tessera_cursor>
  ) throws(APIError) {
    // SAFETY: as above.
    try check(unsafe storage.pointee.opaque.0 != seal(of: storage), TESSERA_ERROR_IN_USE)
  }

  /// Keeps `cursor` of `space` at `storage`, where none is. The caller lends the memory.
  @unsafe static func make(
    _ cursor: consuming Cursor, of space: SpaceHandle,
    at storage: UnsafeMutablePointer<tessera_cursor>
  ) {
    require(
      MemoryLayout<SuspendedCursor>.size + 16 <= MemoryLayout<tessera_cursor>.size
        && MemoryLayout<SuspendedCursor>.alignment <= 8,
      "a cursor does not fit in what the header has for it")
    unsafe storage.pointee.opaque.1 = UInt64(UInt(bitPattern: space.pointer))
    space.countCursor(1)
    unsafe place(in: storage).initialize(to: SuspendedCursor(cursor))
    unsafe storage.pointee.opaque.0 = seal(of: storage)
  }

  // SAFETY: the seal says that a cursor is here.
  var isKernel: Bool { unsafe Self.place(in: storage).pointee.isKernelsOwn }
  // SAFETY: as above.
  var address: UInt64 { unsafe Self.place(in: storage).pointee.address }

  /// Has `body` go on with the cursor. Refused as `body` refuses.
  @inline(__always)
  func resume(_ body: (inout Cursor) throws(APIError) -> Void) throws(APIError) {
    // SAFETY: the seal says that a cursor is here; it is put back below.
    var cursor = Cursor(resuming: unsafe Self.place(in: storage).move())
    do throws(APIError) {
      try body(&cursor)
    } catch {
      // SAFETY: its place is free.
      unsafe Self.place(in: storage).initialize(to: SuspendedCursor(cursor))
      throw error
    }
    // SAFETY: its place is free.
    unsafe Self.place(in: storage).initialize(to: SuspendedCursor(cursor))
  }

  /// Pays what the cursor owes and ends it. The memory is no cursor from now on.
  func finish() {
    // SAFETY: the seal says that a cursor is here, whose space lives: destroying it would have
    // trapped.
    guard let space = unsafe try? SpaceHandle(Self.space(in: storage)) else {
      panic("the space of an open cursor was overwritten")
    }
    // SAFETY: as above.
    unsafe storage.pointee.opaque.0 = 0
    // SAFETY: as above, and nobody takes it a second time.
    _ = unsafe Self.place(in: storage).move()
    space.countCursor(-1)
  }

  /// Whether this and `other` are the same.
  // SAFETY: only compares where they are.
  func isSame(as other: CursorHandle) -> Bool { unsafe storage == other.storage }

  @unsafe private static func seal(of storage: UnsafeMutablePointer<tessera_cursor>) -> UInt64 {
    UInt64(UInt(bitPattern: storage)) ^ 0x6375_7273_6f72_2121
  }

  @unsafe private static func space(
    in storage: UnsafeMutablePointer<tessera_cursor>
  ) -> UnsafePointer<tessera_space>? {
    // SAFETY: every caller has memory of that type here.
    unsafe UnsafePointer(bitPattern: UInt(storage.pointee.opaque.1))
  }

  @unsafe private static func place(
    in storage: UnsafeMutablePointer<tessera_cursor>
  ) -> UnsafeMutablePointer<SuspendedCursor> {
    unsafe (UnsafeMutableRawPointer(storage) + 16).assumingMemoryBound(to: SuspendedCursor.self)
  }
}
