internal import TesseraFrames
package import TesseraHardware

/// The nodes that a range lock holds: the covering node and every node below it that meets the
/// range.
///
/// Everything that writes a page table reaches its nodes through this, and so holds their locks.
public struct LockedTree: ~Copyable {
  let root: PageTableNode
  let coveringNode: PageTableNode
  let coveringLevel: PagingLevel
  /// The slot of the covering node's frame.
  let coveringSlot: FrameSlotReference
  /// The first address of the range, and that after its last.
  package let start: VirtualAddress
  package let end: VirtualAddress

  /// The caller holds the locks of the nodes of the range from `start` up to `end`, whose covering
  /// node is `covering`.
  @inline(__always)
  @unsafe init(
    holding covering: CoveringNode, under root: PageTableNode, from start: VirtualAddress,
    to end: VirtualAddress
  ) {
    self.root = root
    coveringNode = covering.node
    coveringLevel = covering.level
    coveringSlot = covering.slot
    self.start = start
    self.end = end
  }

  /// Whether the range is the kernel's: shared by all address spaces, and global.
  @inline(__always)
  var isKernel: Bool { Int64(bitPattern: start.rawValue) < 0 }

  /// The covering node: the deepest node that spans the whole range.
  @inline(__always)
  var covering: LockedNode {
    @_lifetime(borrow self)
    get {
      // SAFETY: the maker of this holds the locks.
      unsafe LockedNode(holding: coveringNode, level: coveringLevel, slot: coveringSlot)
    }
  }

  /// The lowest node at or above `level` that spans `address`, which is in the range.
  @inline(__always)
  @_lifetime(borrow self)
  func lowestNode(at address: VirtualAddress, downTo level: PagingLevel = .leafTable) -> LockedNode
  {
    covering.descend(to: address, downTo: level)
  }

  /// The node of `level` that spans `address`; nodes that are missing come from `reservation`.
  @_lifetime(borrow self)
  func makeTable(
    at address: VirtualAddress, level: PagingLevel, from reservation: inout NodeReservation
  ) -> LockedNode {
    lowestNode(at: address, downTo: level)
      .addTables(at: address, downTo: level, isUser: !isKernel, from: &reservation)
  }

  /// Whether a node of `level` may be removed from its parent. The kernel's tables that the roots
  /// refer to are permanent.
  func canDetach(_ level: PagingLevel) -> Bool {
    !isKernel || level.above < PagingMode.current.rootLevel
  }

  /// The address `byteCount` bytes after `position`. Traps unless these bytes are whole pages
  /// inside the range.
  @inline(__always)
  func checkedEnd(_ byteCount: UInt64, after position: VirtualAddress) -> VirtualAddress {
    require(
      byteCount % PageSize.fourKiB.byteCount == 0, "length is not a multiple of the page size")
    require(
      byteCount <= end.distance(from: position), "operation reaches beyond the range of its cursor")
    return position.advanced(unchecked: byteCount)
  }

  /// `property` as it is for the half of the address space that the range is in. Traps if it is for
  /// the other.
  @inline(__always)
  func checked(_ property: PageProperty) -> PageProperty {
    require(
      property.isUser != isKernel, "user page in the kernel's half, or kernel page in the user half"
    )
    return isKernel ? property.with(isGlobal: PagingMode.current.hasGlobalPages) : property
  }
}
