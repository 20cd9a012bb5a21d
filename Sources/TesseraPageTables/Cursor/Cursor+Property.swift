package import TesseraHardware

extension Cursor {
  /// Gives every mapped page in the next `byteCount` bytes `property`, except the accessed and
  /// dirty bits and whether a fork shares the page, which stay. Returns the number of bytes that
  /// are mapped there. As `protect`.
  package mutating func replaceProperty(
    _ byteCount: UInt64, by property: PageProperty
  ) throws(TesseraError) -> UInt64 {
    try changeLeaves(byteCount, LeafChange(to: lock.tree.checked(property)))
  }
}
