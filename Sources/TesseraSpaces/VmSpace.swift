internal import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// The virtual address space of a user program, below the kernel half that all spaces share.
///
/// Creating, activating and destroying a space is safe in several threads of a processor at once,
/// with preemption on; a cursor requires that it is off.
///
/// A new space maps nothing. Pages are mapped, changed and unmapped through cursors over ranges.
/// Destroying a space unmaps everything; a processor that still runs on it keeps the empty root
/// until it activates another.
public struct VmSpace: ~Copyable, Sendable {
  /// The root node, to which the space holds a reference.
  package let root: PageTableNode

  /// The function that resolves page faults of this space, and the context it is called with.
  package var faultHandler: (function: PageFaultHandler, context: UInt)?

  /// Creates a space that maps nothing. Panics before the kernel space is started.
  ///
  /// - Throws: `outOfFrames`.
  public init() throws(TesseraError) {
    RetiredRoots.releaseAll()
    root = try KernelSpace.makeRoot()
  }

  deinit {
    if root.pagerNumber != 0 { SpacePager.current?.remove(root.address.rawValue) }
    RetiredRoots.releaseAll()
    RootNode.emptyIfActiveHere(root)
    NodePool.release(root)
  }

  /// The physical address of the root node, as CR3 holds it.
  public var rootAddress: PhysicalAddress { root.address }

  /// The start of the user range: zero, unless the kernel keeps low addresses.
  @inline(__always)
  public static var start: VirtualAddress { AddressSpaceLayout.userStart }

  /// The end of the user range: one page below the end of the lower half.
  @inline(__always)
  public static var end: VirtualAddress { AddressSpaceLayout.userEnd }

  /// Locks the pages of `range`, for as long as the cursor lives.
  ///
  /// In Embedded Swift the space is a `var` or the parameter of a function;
  /// `withCursor(over:reservingNodes:_:)` works for any.
  ///
  /// Waits while another cursor holds a part of them. Preemption is off from before this call until
  /// after the cursor is destroyed; see `Preemption`. `Cursor` says what may be done on this
  /// processor meanwhile.
  ///
  /// If nothing is mapped in or near the range, page-table nodes are added that span it. They are
  /// removed again if it is still empty when the cursor is destroyed. If `reservingNodes`,
  /// allocates as many nodes as the whole range may need before it is locked, so that no operation
  /// of the cursor fails with `outOfFrames`.
  ///
  /// - Throws: `empty`, `notAligned`, `outOfBounds` if `range` begins below `start` or ends above
  ///   `end`, or `outOfFrames` if there is no frame for a node. If any page of the range is mapped,
  ///   none is needed, unless `reservingNodes`.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func cursor(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false
  ) throws(TesseraError) -> Cursor {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor(over: range, of: root, reservingNodes ? .reserved : .added)
  }

  /// Like `cursor(over:reservingNodes:)`, for a caller that changes or inspects what is mapped in
  /// `range`: adds no nodes, and so never throws `outOfFrames`.
  ///
  /// If nothing is mapped in or near the range, this locks more than the range, up to the whole
  /// space, and waits for cursors over other pages there.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func cursor(
    overMapped range: Range<VirtualAddress>
  ) throws(TesseraError) -> Cursor {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor(over: range, of: root, .existing)
  }

  /// Like `cursor(over:reservingNodes:)`, without the lifetime check: the caller keeps the space
  /// alive for as long as the cursor.
  @inline(__always)
  @_lifetime(immortal)
  @unsafe package borrowing func unboundCursor(
    over range: Range<VirtualAddress>, _ nodes: CursorNodes
  ) throws(TesseraError) -> Cursor {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor(over: range, of: root, nodes)
  }

  /// Returns the physical address that `address` is mapped to and the property of its page; nil if
  /// it is not mapped.
  ///
  /// Takes no lock: another thread or processor may have changed the mapping by the time this
  /// returns. With preemption on, the space must not be changed meanwhile.
  @inline(__always)
  public borrowing func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    root.translate(address)
  }
}

extension VmSpace {
  /// Makes the calling processor run on this space. Does nothing if it already does.
  ///
  /// The processor keeps the space's tables until it activates another space. Interrupts are off
  /// meanwhile.
  public borrowing func activate() { ActiveSpace.activate(root) }

  /// The number of processors that the space is active on.
  public var activeProcessorCount: Int { root.activeProcessorCount }

  /// Makes the calling processor run on the kernel's own root, which has no user pages.
  public static func deactivate() { ActiveSpace.activate(KernelSpace.root) }
}
