internal import TesseraFrames
internal import TesseraHardware

/// A locked range of an address space and a position in it: everything that a cursor does.
///
/// A cursor holds the locks of the covering node, which is the deepest node that spans the whole
/// range, and of every node below it that meets the range. So cursors on overlapping ranges come
/// one after the other, and cursors on disjoint ranges under different nodes do not meet. See
/// LockProtocol.md.
///
/// Everything that can be refused is refused before the first store; after an error the tables are
/// as they were.
///
/// Public, though nothing of it is: Embedded Swift shows other modules the `deinit` of public types
/// only.
public struct CursorState: ~Copyable {
  let root: PageTableNode
  let covering: PageTableNode
  let coveringLevel: PagingLevel
  /// The first byte of the range, and how many there are.
  package let start: UInt64
  package let byteCount: UInt64
  /// Where the cursor is: bytes from the start; the byte count itself at the end.
  package internal(set) var offset: UInt64 = 0
  /// Whether the range is the kernel's: shared by all address spaces, and global.
  package var isKernel: Bool { flusher.isGlobal }
  var flusher: TLBFlusher
  /// Nodes that were allocated before the range was locked, for changes that must not fail.
  var reserve: NodeReservation

  /// Locks the `byteCount` bytes from `start` on of the tables under `root`.
  ///
  /// The caller has checked the range: not empty, multiples of 4096, within one half of the address
  /// space. It stays on this processor until this is destroyed. `root` outlives it.
  @inline(__always)
  package init(
    locking root: PageTableNode, from start: UInt64, byteCount: UInt64, isKernel: Bool,
    reserve: consuming NodeReservation = NodeReservation()
  ) {
    self.reserve = reserve
    self.root = root
    self.start = start
    self.byteCount = byteCount
    flusher = TLBFlusher(isGlobal: isKernel)
    (covering, coveringLevel) = RangeLock.lockCovering(root, start, start &+ (byteCount &- 1))
    RangeLock.lockBelow(covering, coveringLevel, start, byteCount)
  }

  @inline(__always)
  deinit {
    // Most cursors work on pages of one leaf table and enqueue nothing.
    if coveringLevel == .leafTable && flusher.isEmpty && covering.presentCount != 0 {
      covering.unlock()
    } else {
      close()
    }
  }

  /// Ends the work and lets the locks go.
  ///
  /// Always inlined: to be called it would be given a copy of the cursor, 15 words moved by an
  /// instruction that takes longer than all else that a cursor over one page does, and made whether
  /// or not it is called.
  @inline(__always)
  private borrowing func close() {
    // Requests go out before a lock is let go; nothing held is released before every processor that
    // may still use it has answered.
    flusher.pay(isActive: root.isActiveHere)
    let isEmpty = covering.presentCount == 0
    RangeLock.unlock(covering, coveringLevel, start, byteCount)
    flusher.release()
    if isEmpty {
      EmptyNodes.reclaim(under: root, at: start, from: coveringLevel, isKernel: isKernel)
    }
  }
}

extension CursorState {
  /// The first byte of the page that the next operation acts on. At the end: the byte after the
  /// range.
  package var address: UInt64 { start &+ offset }

  package var isAtEnd: Bool { offset == byteCount }

  /// How many bytes are left from the position on.
  var byteCountLeft: UInt64 { byteCount &- offset }

  /// Moves to `address`, a multiple of 4096. Throws `outOfBounds` if that is outside the range,
  /// whose end is allowed.
  package mutating func jump(to address: UInt64) throws(RangeError) {
    guard address % PageSize.fourKiB.byteCount == 0 else { throw .notAligned }
    let offset = address &- start
    guard address >= start, offset <= byteCount else { throw .outOfBounds }
    self.offset = offset
  }

  /// Traps unless `byteCount` bytes from the position on are whole pages inside the range.
  @inline(__always)
  func requireInside(_ byteCount: UInt64) {
    require(
      byteCount % PageSize.fourKiB.byteCount == 0, "a cursor works on whole pages of 4096 bytes")
    require(byteCount <= byteCountLeft, "an operation reaches beyond the range of its cursor")
  }

  /// The lowest node at or above `level` that spans `address`, and its level.
  @inline(__always)
  func descend(to address: UInt64, level: PagingLevel) -> (PageTableNode, PagingLevel) {
    var node = covering
    var current = coveringLevel
    while current.number > level.number {
      let entry = node[VirtualAddress(address).index(at: current)]
      guard entry.isTable else { break }
      // SAFETY: the cursor holds the node's lock, so its child stays.
      node = unsafe PageTableNode(at: entry.tableAddress)
      current = current.below
    }
    return (node, current)
  }
}
