internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// A `tessera_cursor` that was found to be open, in the kernel's memory.
///
/// Its first word is a seal, as that of a space is; the second points to its space; the suspended
/// cursor follows.
@safe
struct CursorHandle {
  private let storage: UnsafeMutablePointer<tessera_cursor>

  /// Finds the cursor at `pointer`.
  ///
  /// - Throws: `INVALID_POINTER`, and `INVALID_CURSOR` if it is not open.
  @unsafe init(_ pointer: UnsafeMutablePointer<tessera_cursor>?) throws(APIError) {
    unsafe storage = try check(pointer)
    // SAFETY: the caller lends the memory.
    let isOpen = unsafe Seal(of: storage).isEqual(to: Self.seal(of: storage))
    try check(isOpen, TESSERA_ERROR_INVALID_CURSOR)
  }

  /// Opens a cursor over `length` bytes at `address` of `space`, at `storage`.
  ///
  /// - Throws: `IN_USE` if a cursor is open there or another call is opening or closing one, and
  ///   what `SpaceHandle.cursor` throws.
  @unsafe static func open(
    at storage: UnsafeMutablePointer<tessera_cursor>, on space: SpaceHandle, _ address: UInt64,
    _ length: UInt64, _ nodes: CursorNodes
  ) throws(APIError) {
    require(
      MemoryLayout<SuspendedCursor>.size + 16 <= MemoryLayout<tessera_cursor>.size
        && MemoryLayout<SuspendedCursor>.alignment <= 8,
      "a cursor does not fit in `tessera_cursor`")
    let word = unsafe Seal(of: storage)
    let before = try word.claimUnused(unless: unsafe seal(of: storage))
    do throws(APIError) {
      let cursor = try space.cursor(address, length, nodes)
      unsafe suspended(in: storage).initialize(to: SuspendedCursor(cursor))
    } catch {
      word.set(before)
      throw error
    }
    unsafe storage.pointee.opaque.1 = UInt64(UInt(bitPattern: space.pointer))
    space.countCursor(1)
    word.set(unsafe seal(of: storage))
  }

  // SAFETY: the seal was found.
  var isKernel: Bool { unsafe Self.suspended(in: storage).pointee.isKernel }
  // SAFETY: the seal was found.
  var address: UInt64 { unsafe Self.suspended(in: storage).pointee.address.rawValue }

  /// Resumes the cursor, runs `body` on it, and suspends it again.
  @inline(__always)
  func resume(_ body: (inout Cursor) throws(APIError) -> Void) throws(APIError) {
    // SAFETY: the seal was found, and the cursor is stored again below.
    var cursor = unsafe Self.suspended(in: storage).move().resume()
    do throws(APIError) {
      try body(&cursor)
    } catch {
      // SAFETY: the cursor was moved out.
      unsafe Self.suspended(in: storage).initialize(to: SuspendedCursor(cursor))
      throw error
    }
    // SAFETY: the cursor was moved out.
    unsafe Self.suspended(in: storage).initialize(to: SuspendedCursor(cursor))
  }

  /// Destroys the cursor, which flushes and unlocks its range.
  ///
  /// - Throws: `INVALID_CURSOR` if another call closes it.
  func close() throws(APIError) {
    // SAFETY: the caller lends the memory.
    let word = unsafe Seal(of: storage)
    // SAFETY: only the address is used.
    let isClaimed = word.claimUsed(with: unsafe Self.seal(of: storage))
    try check(isClaimed, TESSERA_ERROR_INVALID_CURSOR)
    // SAFETY: the cursor is claimed; destroying the space before it would have trapped.
    guard let space = unsafe try? SpaceHandle(Self.space(in: storage)) else {
      panic("the space of an open cursor was overwritten")
    }
    // SAFETY: without the seal, the cursor is not destroyed again.
    _ = unsafe Self.suspended(in: storage).move()
    space.countCursor(-1)
    word.set(0)
  }

  /// Returns whether this and `other` are the same cursor.
  // SAFETY: compares addresses.
  func isSame(as other: CursorHandle) -> Bool { unsafe storage == other.storage }

  @unsafe private static func seal(of storage: UnsafeMutablePointer<tessera_cursor>) -> UInt64 {
    UInt64(UInt(bitPattern: storage)) ^ 0x6375_7273_6f72_2121
  }

  @unsafe private static func space(
    in storage: UnsafeMutablePointer<tessera_cursor>
  ) -> UnsafePointer<tessera_space>? {
    unsafe UnsafePointer(bitPattern: UInt(storage.pointee.opaque.1))
  }

  @unsafe private static func suspended(
    in storage: UnsafeMutablePointer<tessera_cursor>
  ) -> UnsafeMutablePointer<SuspendedCursor> {
    unsafe (UnsafeMutableRawPointer(storage) + 16).assumingMemoryBound(to: SuspendedCursor.self)
  }
}
