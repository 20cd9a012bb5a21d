internal import TesseraFrames
public import TesseraHardware

// Pages that are not mapped, and what is known of them. A status is stored at the highest level
// that fits, so that one for half of the address space takes a handful of entries.

extension Cursor {
  /// Gives every page in the next `byteCount` bytes, none of which is mapped, the status `payload`:
  /// a number whose meaning is the kernel's, and which `query` returns. It says nothing of rights.
  ///
  /// A page that has a status gets the new one. Throws `alreadyMapped` or `outOfFrames`.
  public mutating func setStatus(_ byteCount: UInt64, to payload: UInt32) throws(TesseraError) {
    try setStatus(byteCount, .status(payload))
  }

  /// Makes every page in the next `byteCount` bytes, none of which is mapped, appear when it is
  /// used: filled with zeros, with `property`, in a frame that is allocated then. See
  /// `VmSpace.resolve`.
  ///
  /// `protect` and `change` change the property, `unmap` clears it, and a fork copies it: each
  /// space then gets pages of its own. So `property` must not be shared, which traps. Its accessed
  /// and dirty bits are ignored. Throws as `setStatus(_:to:)`.
  public mutating func setDemandZero(
    _ byteCount: UInt64, as property: PageProperty
  ) throws(TesseraError) {
    require(!property.isShared, "pages that appear when they are used cannot be shared by a fork")
    try setStatus(byteCount, .demandZero(checked(property)))
  }

  /// Makes the kernel supply every page in the next `byteCount` bytes, none of which is mapped,
  /// when it is used: `VmSpace.resolve` returns `payload`, and the kernel maps the page. All of the
  /// pages have the same number.
  ///
  /// As `setDemandZero` in all other respects, but the property may be shared.
  public mutating func setPending(
    _ byteCount: UInt64, _ payload: UInt32, as property: PageProperty
  ) throws(TesseraError) {
    try setStatus(byteCount, .pending(payload, checked(property)))
  }

  /// `property`. Traps unless the range and the property are those of a program.
  private func checked(_ property: PageProperty) -> PageProperty {
    require(!isKernel, "pages of the kernel cannot appear when they are used")
    return lock.tree.checked(property)
  }

  package mutating func setStatus(
    _ byteCount: UInt64, _ status: PageTableEntry
  ) throws(TesseraError) {
    let end = checkedEnd(byteCount)
    guard byteCount > 0 else { return }
    let largest = PagingMode.current.rootLevel
    var reservation = try reserveNodes(
      try lock.tree.missingNodeCount(from: position, to: end, wholeUpTo: largest))
    lock.tree.fill(from: position, to: end, wholeUpTo: largest, &reservation) { _, _ in status }
    position = end
  }
}
