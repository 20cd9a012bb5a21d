internal import TesseraFrames
public import TesseraHardware

extension Cursor {
  /// Gives every page in the next `byteCount` bytes, none of which is mapped, the status `payload`:
  /// a number whose meaning is the kernel's, and which `query` returns.
  ///
  /// A page that has a status gets the new one. Throws `alreadyMapped` or `outOfFrames`.
  public mutating func setStatus(_ byteCount: UInt64, to payload: UInt32) throws(TesseraError) {
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    let status = PageTableEntry.status(payload)
    let largest = PagingMode.current.rootLevel
    var reservation = try reserveNodes(
      try lock.tree.missingNodeCount(from: position, to: end, wholeUpTo: largest))
    lock.tree.fill(from: position, to: end, wholeUpTo: largest, &reservation) { _, _ in status }
    position = end
  }
}
