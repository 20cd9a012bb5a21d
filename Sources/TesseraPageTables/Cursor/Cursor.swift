internal import TesseraFrames
public import TesseraHardware

/// A position in a locked range of an address space, and everything that can be done there.
///
/// One cursor at a time holds a page. Destroying it flushes the TLB as its changes require,
/// releases the locks, and then frees what was unmapped: none of it can be forgotten.
///
/// While it is open, its processor may use frames, other spaces, and in the same space whatever
/// takes no lock: `translate`, dumps, activation. It may open another
/// cursor if the blocks of the two have no page in common; otherwise that panics with one
/// processor, and waits for ever with several. The block of a range is the smallest of 2 MiB,
/// 1 GiB, 512 GiB and so on, aligned to its size, that contains the range and is larger than it.
/// For a range inside one large page, it is the block of that page; inside a larger aligned part
/// that has one status throughout, that of the part. A `KernelMapping` uses a cursor over the
/// kernel virtual area. A closure that is passed to an operation runs while the pages are locked.
///
/// Operations act on the bytes from the position and move past them. Each checks everything that
/// can fail before its first store, so after an error nothing has changed. Reaching beyond the
/// range, or acting on parts of pages, traps.
///
/// Preemption has to be off for as long as the cursor lives, by `Preemption.disabled` or the
/// kernel's own means: the thread must not be switched away, nor move to another processor. What
/// `Preemption.disabled` turns off by default is interrupts, so the range should be short.
///
/// On the fast paths the cursor stays in registers. A slow path therefore takes a copy that was
/// moved out, and moves it back: were it called with the cursor by reference, all of it would have
/// to be in memory from the start.
public struct Cursor: ~Copyable, ~Escapable {
  var lock: RangeLock
  /// Nodes that were allocated before the range was locked, for changes that must not fail.
  var reserve: NodeReservation
  /// The address that the next operation acts on; the end of the range after the last page.
  var position: VirtualAddress

  /// Locks `range` of the tables under `root`, which outlives the cursor. `nodes` says what is done
  /// about nodes that are missing.
  ///
  /// Throws `empty`, `notAligned`, and, unless `nodes` is `existing`, `outOfFrames`. The range lies
  /// in one half of the address space.
  @inline(__always)
  @_lifetime(immortal)
  package init(
    over range: Range<VirtualAddress>, of root: PageTableNode, _ nodes: CursorNodes
  ) throws(TesseraError) {
    guard !range.isEmpty else { throw .empty }
    let (start, end) = (range.lowerBound, range.upperBound)
    guard start.isAligned(to: .fourKiB), end.isAligned(to: .fourKiB) else { throw .notAligned }
    switch nodes {
    case .added:
      let lock = try RangeLock(addingNodesTo: root, from: start, to: end)
      self.init(holding: lock, reserve: NodeReservation(), at: start)
    case .existing: self.init(locking: range, of: root)
    case .reserved:
      var reserve = try NodeReservation(for: range)
      let lock = try RangeLock(addingNodesTo: root, from: start, to: end, &reserve)
      self.init(holding: lock, reserve: reserve, at: start)
    }
  }

  /// Locks `range`, which has been checked, of the tables under `root`, without adding nodes.
  @inline(__always)
  @_lifetime(immortal)
  package init(locking range: Range<VirtualAddress>, of root: PageTableNode) {
    self.init(
      holding: RangeLock(root, from: range.lowerBound, to: range.upperBound),
      reserve: NodeReservation(), at: range.lowerBound)
  }

  @inline(__always)
  @_lifetime(immortal)
  init(
    holding lock: consuming RangeLock, reserve: consuming NodeReservation,
    at position: VirtualAddress
  ) {
    self.lock = lock
    self.reserve = reserve
    self.position = position
  }
}

extension Cursor {
  /// Closes the cursor, and returns what it has unmapped, which is freed when that is destroyed.
  ///
  /// For a caller that turns preemption on in between: freeing many frames takes long.
  package consuming func close() -> DeferredFrames {
    var lock = lock
    return lock.flush()
  }

  /// The first byte of the page that the next operation acts on; at the end, the byte after the
  /// range.
  public var address: VirtualAddress { position }

  /// Whether the position is after the last page.
  @inline(__always)
  public var isAtEnd: Bool { position == lock.tree.end }

  /// The number of bytes between the position and the end of the range.
  package var byteCountLeft: UInt64 { lock.tree.end.distance(from: position) }

  /// Whether the range is the kernel's.
  package var isKernel: Bool { lock.tree.isKernel }

  /// Moves to `address`.
  ///
  /// Throws `notAligned`, and `outOfBounds` if it is neither in the range nor its end.
  public mutating func jump(to address: VirtualAddress) throws(TesseraError) {
    guard address.isAligned(to: .fourKiB) else { throw .notAligned }
    guard address >= lock.tree.start, address <= lock.tree.end else { throw .outOfBounds }
    position = address
  }

  /// The address `byteCount` bytes after the position. Traps unless these bytes are whole pages
  /// inside the range.
  @inline(__always)
  func checkedEnd(_ byteCount: UInt64) -> VirtualAddress {
    lock.tree.checkedEnd(byteCount, after: position)
  }

  /// Allocates `count` nodes, from those reserved at the start as far as they go. Throws
  /// `outOfFrames`.
  mutating func reserveNodes(_ count: Int) throws(TesseraError) -> NodeReservation {
    try NodeReservation(count, from: &reserve)
  }
}

/// What opening a cursor does about nodes that are missing.
package enum CursorNodes {
  /// Adds them above the range, so that no other range is locked.
  case added
  /// Adds none: the deepest existing node that spans the range and more is locked, and with it
  /// every range below whose own nodes are missing. Cannot run out of frames.
  case existing
  /// As `added`, and first allocates as many nodes as the whole range may need, so that no
  /// operation of the cursor runs out of frames.
  case reserved
}
