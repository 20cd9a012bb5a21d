internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// Why the memory of a program cannot be read or written at all.
public enum UserMemoryError: Error, Equatable, Sendable {
  /// The space is not the one that the calling processor runs on.
  case notActive
  /// The bytes do not all lie between `VmSpace.start` and `VmSpace.end`.
  case outOfBounds
}

/// Some bytes of the space that is active, as a reader or a writer reaches them.
///
/// What a program says about its memory is not to be believed, and faults of the kernel are not
/// recovered yet. So the tables are asked about each page before it is touched.
struct UserMemory {
  private let root: PageTableNode
  let address: VirtualAddress
  let byteCount: UInt64

  /// The `byteCount` bytes from `address` on of the space with `root`.
  init(
    at address: VirtualAddress, byteCount: UInt64, of root: PageTableNode
  ) throws(UserMemoryError) {
    guard ActiveSpace.isActive(root) else { throw .notActive }
    guard let end = address.advanced(byChecked: byteCount), end <= VmSpace.end,
      address >= VmSpace.start
    else { throw .outOfBounds }
    self.root = root
    self.address = address
    self.byteCount = byteCount
  }

  /// What is done with a page.
  enum Use {
    case reading, writing

    /// The bits that each entry on the way to the page must have.
    fileprivate var neededBits: UInt64 {
      let bits = PageTableEntry.present | PageTableEntry.user
      return self == .reading ? bits : bits | PageTableEntry.writable
    }
  }

  /// Calls `copy` with one stretch after another of the `byteCount` bytes from `offset` on, as far
  /// as they may be used: with its address, how many bytes came before, and how many it has.
  ///
  /// `copy` returns how many bytes it copied. Returns their sum; the byte after that may not be
  /// used, or there is none. Traps if the bytes reach beyond these, or the space is not active.
  func forEachStretch(
    of byteCount: Int, at offset: UInt64, for use: Use,
    _ copy: (_ address: UInt64, _ done: Int, _ count: Int) -> Int
  ) -> Int {
    let start = checkedStart(of: byteCount, at: offset)
    var done = 0
    while done < byteCount {
      let address = start &+ UInt64(done)
      let usable = usableByteCount(from: address, for: use)
      guard usable > 0 else { return done }
      let count = Int(min(usable, UInt64(byteCount - done)))
      let copied = copy(address, done, count)
      done += copied
      guard copied == count else { return done }
    }
    return done
  }

  /// Whether the `byteCount` bytes from `offset` on may be used, all of them. Traps as
  /// `forEachStretch`.
  func isUsable(_ byteCount: Int, at offset: UInt64, for use: Use) -> Bool {
    forEachStretch(of: byteCount, at: offset, for: use) { _, _, count in count } == byteCount
  }

  private func checkedStart(of byteCount: Int, at offset: UInt64) -> UInt64 {
    require(
      ActiveSpace.isActive(root), "a program's memory was used while its space was not active")
    let (end, overflow) = offset.addingReportingOverflow(UInt64(byteCount))
    require(
      !overflow && end <= self.byteCount,
      "an access lies beyond what its reader or writer was made for")
    return address.rawValue &+ offset
  }

  /// How many bytes from `address` on can be used alike, because one page shows them; 0 if they
  /// cannot be used.
  private func usableByteCount(from address: UInt64, for use: Use) -> UInt64 {
    let walk = TranslationTrace(of: VirtualAddress(address), from: root)
    guard walk.last.mapsPage(at: walk.lowestLevel) else { return 0 }
    var level = walk.highestLevel
    while walk[level].rawValue & use.neededBits == use.neededBits {
      if level == walk.lowestLevel { return walk.end.rawValue &- address }
      level = level.below
    }
    return 0
  }
}
