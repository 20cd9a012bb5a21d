internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A range of bytes of the active space: what readers and writers have in common.
///
/// User-supplied addresses are untrusted, and the kernel does not recover from faults of its own
/// yet. So each page is looked up in the page tables before it is accessed: every entry of the walk
/// must allow the access from user mode.
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

  /// A kind of access to user memory.
  enum Access {
    case read, write

    /// The bits that each entry of the walk must have.
    fileprivate var requiredBits: UInt64 {
      let bits = PageTableEntry.present | PageTableEntry.user
      return self == .read ? bits : bits | PageTableEntry.writable
    }
  }

  /// Calls `copy` for each chunk of the `byteCount` bytes from `offset`, up to the first byte that
  /// does not allow `access`: with the chunk's address, the number of bytes before it, and its
  /// size. No chunk crosses a page.
  ///
  /// `copy` returns how many bytes it copied; the first incomplete chunk is the last. Returns the
  /// sum. Panics if the bytes are not within these, or the space is not active.
  func forEachChunk(
    of byteCount: Int, at offset: UInt64, for access: Access,
    _ copy: (_ address: UInt64, _ done: Int, _ count: Int) -> Int
  ) -> Int {
    let start = checkedStart(of: byteCount, at: offset)
    var done = 0
    while done < byteCount {
      let address = start &+ UInt64(done)
      let accessible = accessibleByteCount(from: address, for: access)
      guard accessible > 0 else { return done }
      let count = Int(min(accessible, UInt64(byteCount - done)))
      let copied = copy(address, done, count)
      done += copied
      guard copied == count else { return done }
    }
    return done
  }

  /// Returns whether all of the `byteCount` bytes from `offset` allow `access`. Panics as
  /// `forEachChunk`.
  func allows(_ access: Access, _ byteCount: Int, at offset: UInt64) -> Bool {
    forEachChunk(of: byteCount, at: offset, for: access) { _, _, count in count } == byteCount
  }

  private func checkedStart(of byteCount: Int, at offset: UInt64) -> UInt64 {
    require(ActiveSpace.isActive(root), "user memory accessed while its space is not active")
    let (end, overflow) = offset.addingReportingOverflow(UInt64(byteCount))
    require(
      !overflow && end <= self.byteCount,
      "user memory access lies outside its reader or writer")
    return address.rawValue &+ offset
  }

  /// The number of bytes from `address` to the end of its page; 0 if it does not allow `access`.
  private func accessibleByteCount(from address: UInt64, for access: Access) -> UInt64 {
    let trace = TranslationTrace(of: VirtualAddress(address), from: root)
    guard trace.last.mapsPage(at: trace.lowestLevel) else { return 0 }
    var level = trace.highestLevel
    while trace[level].rawValue & access.requiredBits == access.requiredBits {
      if level == trace.lowestLevel { return trace.end.rawValue &- address }
      level = level.below
    }
    return 0
  }
}
