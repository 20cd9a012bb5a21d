internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_cursor` that was found to be open, where the kernel keeps it.
///
/// Its first word is a seal, as that of a space is.
@safe
struct CursorHandle {
  private let storage: UnsafeMutablePointer<tessera_cursor>

  /// The cursor at `pointer`. Refused with NULL and CURSOR.
  @unsafe init(_ pointer: UnsafeMutablePointer<tessera_cursor>?) throws(Refusal) {
    unsafe storage = try demand(pointer)
    // SAFETY: the caller lends the memory.
    let isOpen = unsafe storage.pointee.opaque.0 == Self.seal(of: storage)
    try demand(isOpen, TESSERA_ERROR_CURSOR)
  }

  /// Keeps `cursor`, of the kernel's space if `isKernel`, in memory that the caller lends.
  @unsafe static func make(
    _ cursor: consuming Cursor, isKernel: Bool, at storage: UnsafeMutablePointer<tessera_cursor>
  ) {
    require(
      MemoryLayout<SuspendedCursor>.size + 16 <= MemoryLayout<tessera_cursor>.size
        && MemoryLayout<SuspendedCursor>.alignment <= 8,
      "a cursor does not fit in what the header has for it")
    unsafe storage.pointee.opaque.1 = isKernel ? 1 : 0
    unsafe place(in: storage).initialize(to: SuspendedCursor(cursor))
    unsafe storage.pointee.opaque.0 = seal(of: storage)
  }

  // SAFETY: the seal says that a cursor is here.
  var isKernel: Bool { unsafe storage.pointee.opaque.1 != 0 }
  // SAFETY: as above.
  var address: UInt64 { unsafe Self.place(in: storage).pointee.address }
  // SAFETY: as above.
  var byteCountLeft: UInt64 { unsafe Self.place(in: storage).pointee.byteCountLeft }

  /// Has `body` go on with the cursor. Refused as `body` refuses.
  @inline(__always)
  func resume(_ body: (inout Cursor) throws(Refusal) -> Void) throws(Refusal) {
    // SAFETY: the seal says that a cursor is here; it is put back below.
    var cursor = Cursor(resuming: unsafe Self.place(in: storage).move())
    do throws(Refusal) {
      try body(&cursor)
    } catch {
      // SAFETY: its place is free.
      unsafe Self.place(in: storage).initialize(to: SuspendedCursor(cursor))
      throw error
    }
    // SAFETY: its place is free.
    unsafe Self.place(in: storage).initialize(to: SuspendedCursor(cursor))
  }

  /// Takes the cursor out of the memory, which is none from now on.
  func take() -> SuspendedCursor {
    // SAFETY: the seal says that a cursor is here.
    unsafe storage.pointee.opaque.0 = 0
    // SAFETY: as above, and nobody takes it a second time.
    return unsafe Self.place(in: storage).move()
  }

  /// Whether this and `other` are the same.
  // SAFETY: only compares where they are.
  func isSame(as other: CursorHandle) -> Bool { unsafe storage == other.storage }

  @unsafe private static func seal(of storage: UnsafeMutablePointer<tessera_cursor>) -> UInt64 {
    UInt64(UInt(bitPattern: storage)) ^ 0x6375_7273_6f72_2121
  }

  @unsafe private static func place(
    in storage: UnsafeMutablePointer<tessera_cursor>
  ) -> UnsafeMutablePointer<SuspendedCursor> {
    unsafe (UnsafeMutableRawPointer(storage) + 16).assumingMemoryBound(to: SuspendedCursor.self)
  }
}
