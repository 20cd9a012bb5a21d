internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension VmSpace {
  /// Maps a new frame that is filled with `word` at the user page `page`, for reading and writing.
  /// Throws `alreadyMapped` or `outOfFrames`.
  borrowing func mapFrame(filledWith word: UInt64, at page: UInt64) throws(TesseraError) {
    // Filled before other processors find it.
    let new = try Frame(allocating: PlainMemory())
    new.fill(with: word)
    var frame: Frame<PlainMemory>? = consume new
    try withCursor(over: Pages(at: page).range) { cursor throws(TesseraError) in
      try cursor.map(&frame, as: .userReadWrite)
    }
  }
}
