internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A range of bytes of the active space: what readers and writers have in common.
///
/// The bytes are accessed at the program's own addresses, with its rights, because the processor
/// checks them. Where it faults, the page is resolved as for the program, and the access repeated.
struct UserMemory {
  private let root: PageTableNode
  let address: VirtualAddress
  let byteCount: UInt64

  /// The `byteCount` bytes from `address` of the space with `root`.
  init(
    at address: VirtualAddress, byteCount: UInt64, of root: PageTableNode
  ) throws(TesseraError) {
    guard ActiveSpace.isActive(root) else { throw .notActive }
    guard let end = address.advanced(byChecked: byteCount), end <= VmSpace.end,
      address >= VmSpace.start
    else { throw .outOfBounds }
    self.root = root
    self.address = address
    self.byteCount = byteCount
  }

  /// Calls `copy` for the `byteCount` bytes from `offset`, and again for what is left each time a
  /// page could be resolved, with the address, and the number of bytes before and of the rest.
  ///
  /// `copy` returns how many bytes it copied. Returns the sum. Panics if the bytes are not within
  /// these, or the space is not active.
  func access(
    _ byteCount: Int, at offset: UInt64, for access: MemoryAccess,
    _ copy: (_ address: UInt64, _ done: Int, _ count: Int) -> Int
  ) -> Int {
    let start = checkedStart(of: byteCount, at: offset)
    var done = 0
    var vainCount = 0
    while done < byteCount {
      let copied = copy(start &+ UInt64(done), done, byteCount - done)
      done += copied
      if done == byteCount { return done }
      // A page that allows the access and faults again and again does so for another reason.
      vainCount = copied == 0 ? vainCount + 1 : 0
      let next = VirtualAddress(start &+ UInt64(done))
      guard vainCount < 16, root.resolve(access, at: next).isResolved else { return done }
    }
    return done
  }

  /// Whether `access` reaches all of the `byteCount` bytes from `offset`, or none: they lie in one
  /// page, or both of their pages allow it, once they are resolved. Panics as `access`.
  func isWhole(_ access: MemoryAccess, _ byteCount: Int, at offset: UInt64) -> Bool {
    let start = checkedStart(of: byteCount, at: offset)
    let last = start &+ UInt64(byteCount - 1)
    return start >> 12 == last >> 12
      || root.resolve(access, at: VirtualAddress(start)).isResolved
        && root.resolve(access, at: VirtualAddress(last)).isResolved
  }

  private func checkedStart(of byteCount: Int, at offset: UInt64) -> UInt64 {
    require(ActiveSpace.isActive(root), "user memory accessed while its space is not active")
    let (end, overflow) = offset.addingReportingOverflow(UInt64(byteCount))
    require(
      !overflow && end <= self.byteCount,
      "user memory access lies outside its reader or writer")
    return address.rawValue &+ offset
  }
}
