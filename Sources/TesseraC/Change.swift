internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// What can be done at the position of a cursor, as the header has it: everything that would trap
/// in Swift is refused.
enum Change {
  /// As `tessera_map`. Uses up one handle.
  static func map(
    _ cursor: inout Cursor, _ frame: tessera_frame, _ flags: UInt32
  ) throws(Failure) {
    try give(&cursor, frame, flags) { cursor, frame, property throws(MapError) in
      try cursor.map(&frame, as: property)
    }
  }

  /// As `tessera_replace`. Uses up one handle.
  static func replace(
    _ cursor: inout Cursor, _ frame: tessera_frame, _ flags: UInt32
  ) throws(Failure) {
    try give(&cursor, frame, flags) { cursor, frame, property throws(MapError) in
      try cursor.replace(with: &frame, as: property)
    }
  }

  /// Takes a handle of `frame`, and has `body` map it. What it leaves is handed out again.
  @inline(__always)
  private static func give(
    _ cursor: inout Cursor, _ frame: tessera_frame, _ flags: UInt32,
    _ body: (inout Cursor, inout Frame<ClientFrame>?, PageProperty) throws(MapError) -> Void
  ) throws(Failure) {
    var taken: Frame<ClientFrame>? = try takeFrame(cursor, frame)
    do throws(Failure) {
      let property = try property(cursor, flags)
      try Failure.mapping { () throws(MapError) in try body(&cursor, &taken, property) }
    } catch {
      if let frame = taken.take() { ClientFrameReference.giveHandle(frame) }
      throw error
    }
  }

  /// What `flags` ask for, in the half of the address space that `cursor` is in.
  private static func property(
    _ cursor: borrowing Cursor, _ flags: UInt32
  ) throws(Failure) -> PageProperty {
    let isUser = !cursor.isKernelsOwn
    return try Failure.refusing { () throws(APIError) in
      try PageProperty(flags: flags, isUser: isUser)
    }
  }

  /// Takes a handle of `frame`, which is to be mapped at the position.
  private static func takeFrame(
    _ cursor: borrowing Cursor, _ frame: tessera_frame
  ) throws(Failure) -> Frame<ClientFrame> {
    try Failure.refusing { () throws(APIError) in
      let reference = try ClientFrameReference(frame)
      let byteCount = reference.size.byteCount
      try check(cursor.address.isAligned(to: byteCount), TESSERA_ERROR_NOT_ALIGNED)
      try check(byteCount <= cursor.byteCountLeft, TESSERA_ERROR_OUT_OF_BOUNDS)
      return try reference.takeHandle()
    }
  }

  /// As `tessera_map_run`. Uses up one handle of each frame.
  static func mapRun(
    _ cursor: inout Cursor, _ first: tessera_frame, _ count: UInt64, _ flags: UInt32
  ) throws(Failure) {
    try checkRoom(cursor, pageCount: count)
    let property = try property(cursor, flags)
    var taken: Segment<ClientFrame>? = try Failure.refusing { () throws(APIError) in
      try takeRun(first, count)
    }
    do throws(MapError) {
      try cursor.map(&taken, as: property)
    } catch {
      if let segment = taken.take() { giveRun(segment) }
      throw Failure(error)
    }
  }

  /// As `tessera_map_zeroed`.
  static func mapNew(
    _ cursor: inout Cursor, _ byteCount: UInt64, _ flags: UInt32
  ) throws(Failure) {
    try checkRoom(cursor, byteCount)
    let property = try property(cursor, flags)
    var stock = try Failure.refusing { () throws(APIError) in
      try FreshFrames(count: byteCount / PageSize.fourKiB.byteCount)
    }
    try Failure.mapping { () throws(MapError) in
      try cursor.map(pageCount: stock.count, as: property) { stock.next() }
    }
  }

  /// As `tessera_map_device`.
  static func mapDevice(
    _ cursor: inout Cursor, _ target: UInt64, _ byteCount: UInt64, _ flags: UInt32
  ) throws(Failure) {
    try checkRoom(cursor, byteCount)
    let property = try property(cursor, flags)
    let region = try Failure.refusing { () throws(APIError) in
      try DeviceMemory.find(target, byteCount)
    }
    try Failure.mapping { () throws(MapError) in
      // SAFETY: nothing that Tessera hands out is there, as was just seen; the rest is the
      // caller's.
      try unsafe cursor.mapDevice(region.start, byteCount: byteCount, as: property)
    }
  }

  static func unmap(_ cursor: inout Cursor, _ byteCount: UInt64) throws(Failure) -> UInt64 {
    try checkRoom(cursor, byteCount)
    return try Failure.mapping { () throws(MapError) in try cursor.unmap(byteCount) }
  }

  static func protect(
    _ cursor: inout Cursor, _ byteCount: UInt64, _ flags: UInt32
  ) throws(Failure) -> UInt64 {
    try checkRoom(cursor, byteCount)
    let rights = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE | TESSERA_ALLOW_WX
    let access = try Failure.refusing { () throws(APIError) in
      try check(Int(flags) & ~rights == 0, TESSERA_ERROR_INVALID_ARGUMENT)
      return try PageAccess(flags: flags)
    }
    return try Failure.mapping { () throws(MapError) in try cursor.protect(byteCount, to: access) }
  }

  static func mark(
    _ cursor: inout Cursor, _ byteCount: UInt64, _ number: UInt32
  ) throws(Failure) {
    try checkRoom(cursor, byteCount)
    try Failure.mapping { () throws(MapError) in try cursor.setStatus(byteCount, to: number) }
  }

  static func copy(
    _ cursor: inout Cursor, from source: inout Cursor, _ byteCount: UInt64
  ) throws(Failure) {
    try checkRoom(cursor, byteCount)
    try checkRoom(source, byteCount)
    try Failure.mapping { () throws(MapError) in try cursor.copy(from: &source, byteCount) }
  }

  static func find(_ cursor: inout Cursor, _ byteCount: UInt64) throws(Failure) -> Bool {
    try checkRoom(cursor, byteCount)
    return cursor.findNext(within: byteCount)
  }

  static func clear(
    _ cursor: inout Cursor, _ byteCount: UInt64, _ flags: UInt32
  ) throws(Failure) -> UInt64 {
    try checkRoom(cursor, byteCount)
    let start = cursor.address
    var cleared: UInt64 = 0
    switch Int(flags) {
    case TESSERA_ACCESSED: return cursor.clearAccessed(byteCount)
    case TESSERA_DIRTY: return cursor.clearDirty(byteCount)
    case TESSERA_ACCESSED | TESSERA_DIRTY:
      // What is dirty was used, so the first number has the second in it.
      cleared = cursor.clearAccessed(byteCount)
      _ = try? cursor.jump(to: start)
      _ = cursor.clearDirty(byteCount)
      return cleared
    default: throw Failure(APIError(TESSERA_ERROR_INVALID_ARGUMENT))
    }
  }

  /// Refuses unless `byteCount` bytes are whole pages that the range still has.
  private static func checkRoom(
    _ cursor: borrowing Cursor, _ byteCount: UInt64
  ) throws(Failure) {
    let left = cursor.byteCountLeft
    try Failure.refusing { () throws(APIError) in
      try check(byteCount > 0, TESSERA_ERROR_EMPTY)
      try check(byteCount % PageSize.fourKiB.byteCount == 0, TESSERA_ERROR_NOT_ALIGNED)
      try check(byteCount <= left, TESSERA_ERROR_OUT_OF_BOUNDS)
    }
  }

  private static func checkRoom(
    _ cursor: borrowing Cursor, pageCount: UInt64
  ) throws(Failure) {
    let left = cursor.byteCountLeft
    try Failure.refusing { () throws(APIError) in
      try check(pageCount > 0, TESSERA_ERROR_EMPTY)
      try check(pageCount <= left / PageSize.fourKiB.byteCount, TESSERA_ERROR_OUT_OF_BOUNDS)
    }
  }
}
