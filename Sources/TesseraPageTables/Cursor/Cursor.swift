internal import TesseraFrames
public import TesseraHardware

/// A position in a locked range of an address space, and everything that can be done there.
///
/// One cursor at a time holds a page. Destroying it flushes the TLB as its changes require,
/// releases the locks, and then frees what was unmapped: none of it can be forgotten. Operations
/// act on the bytes from the position and move past them. Each checks everything that can fail
/// before its first store, so after an error nothing has changed. Reaching beyond the range, or
/// acting on parts of pages, traps.
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

  /// Locks `range` of the tables under `root`, which outlives the cursor.
  ///
  /// If `reservesNodes`, as many nodes as the whole range may need are allocated first. Throws
  /// `empty`, `notAligned`, and `outOfFrames` if they cannot be. The range lies in one half of the
  /// address space.
  @inline(__always)
  @_lifetime(immortal)
  package init(
    over range: Range<VirtualAddress>, of root: PageTableNode, reservesNodes: Bool
  ) throws(RangeError) {
    guard !range.isEmpty else { throw .empty }
    guard range.lowerBound.isAligned(to: .fourKiB), range.upperBound.isAligned(to: .fourKiB) else {
      throw .notAligned
    }
    var reserve = NodeReservation()
    if reservesNodes {
      do throws(MapError) { reserve = try NodeReservation(for: range) } catch { throw .outOfFrames }
    }
    self.init(
      holding: RangeLock(root, from: range.lowerBound, to: range.upperBound), reserve: reserve,
      at: range.lowerBound)
  }

  /// Locks `range`, which has been checked, of the tables under `root`.
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
  public mutating func jump(to address: VirtualAddress) throws(RangeError) {
    guard address.isAligned(to: .fourKiB) else { throw .notAligned }
    guard address >= lock.tree.start, address <= lock.tree.end else { throw .outOfBounds }
    position = address
  }

  /// Moves back to the start.
  package mutating func rewind() { position = lock.tree.start }

  /// The address `byteCount` bytes after the position. Traps unless these bytes are whole pages
  /// inside the range.
  @inline(__always)
  func checkedEnd(_ byteCount: UInt64) -> VirtualAddress {
    lock.tree.checkedEnd(byteCount, after: position)
  }

  /// Allocates `count` nodes, from those reserved at the start as far as they go. Throws
  /// `outOfFrames`.
  mutating func reserveNodes(_ count: Int) throws(MapError) -> NodeReservation {
    try NodeReservation(count, from: &reserve)
  }
}
