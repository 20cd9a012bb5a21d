internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

/// What was in the way of a change.
enum Obstacle {
  /// Writes what `failure` met, while the cursor still keeps it there, unless `place` is null.
  @unsafe static func write(
    _ failure: Failure, seenBy cursor: inout Cursor,
    to place: UnsafeMutablePointer<tessera_conflict>?
  ) {
    guard let place = unsafe try? check(place), let address = failure.address else { return }
    var conflict = tessera_conflict()
    conflict.address = address.rawValue
    if let met = cursor.entry(at: address) {
      conflict.entry = met.entry.rawValue
      conflict.level = UInt32(met.level.number)
    }
    // SAFETY: the caller lends it.
    unsafe place.pointee = conflict
  }
}
