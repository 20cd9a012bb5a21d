internal import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// The kernel half of every address space.
///
/// All roots have the same kernel entries, which lead to the same tables. Those exist from the
/// start and are never freed, so a change below them is seen in every space at once. Kernel pages
/// are changed through cursors over `area`; everything else in the kernel half stays where the
/// loader mapped it, with the rights that the start or `protect` leave.
public enum KernelSpace {
  /// Access: written by `install`, constant afterwards.
  nonisolated(unsafe) private static var rootSlot: FrameSlotReference?

  /// The kernel's own root, with no user entries. Panics before the kernel space is started.
  package static var root: PageTableNode {
    // SAFETY: constant after `install`.
    guard let slot = unsafe rootSlot else {
      panic("address space used before the kernel space is started")
    }
    // SAFETY: `install` was given a node, and keeps a reference to it permanently.
    return unsafe PageTableNode(at: slot.address)
  }

  /// A Boolean value indicating whether the kernel space has been started.
  package static var isStarted: Bool {
    // SAFETY: constant after `install`.
    unsafe rootSlot != nil
  }

  /// The kernel virtual area: the addresses that kernel cursors work on. 512 GiB, of which nothing
  /// is mapped at the start.
  public static var area: Range<VirtualAddress> { AddressSpaceLayout.kernelVirtualArea }

  /// Makes `node` the kernel's root and activates it on this processor, whose number is in bounds.
  /// Its reference stays with the kernel. Called once, before there are address spaces.
  package static func install(_ node: PageTableNode) {
    RootNode.setKernelRoot(node)
    // SAFETY: nothing else runs yet.
    unsafe rootSlot = node.slot
    ActiveSpace.reset()
    KernelVirtualArea.reset()
    do throws(BootError) {
      try ActiveSpace.claimProcessor()
    } catch { panic("processor number is not below the processor count") }
    ActiveSpace.start()
  }

  /// The physical address of the kernel's own root. Panics before the kernel space is started.
  public static var rootAddress: PhysicalAddress { root.address }

  /// Locks the pages of `range`, which lies in `area`.
  ///
  /// As `VmSpace.cursor(over:reservingNodes:)`, for kernel pages.
  ///
  /// - Throws: `empty`, `notAligned`, `outOfBounds` if `range` is not in `area`, or `outOfFrames`.
  @_lifetime(immortal)
  public static func cursor(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false
  ) throws(TesseraError) -> Cursor {
    try cursor(over: range, reservingNodes ? .reserved : .added)
  }

  /// Locks the pages of `range`, which lies in `area`, without adding nodes. As
  /// `VmSpace.cursor(overMapped:)`.
  @_lifetime(immortal)
  public static func cursor(
    overMapped range: Range<VirtualAddress>
  ) throws(TesseraError) -> Cursor {
    try cursor(over: range, .existing)
  }

  @_lifetime(immortal)
  package static func cursor(
    over range: Range<VirtualAddress>, _ nodes: CursorNodes
  ) throws(TesseraError) -> Cursor {
    try checkBounds(of: range)
    return try Cursor(over: range, of: root, nodes)
  }

  /// Throws `outOfBounds` unless `range` is in `area`.
  static func checkBounds(of range: Range<VirtualAddress>) throws(TesseraError) {
    guard area.contains(range.lowerBound), range.upperBound <= area.upperBound else {
      throw .outOfBounds
    }
  }

  /// Returns the physical address that `address` is mapped to and the property of its page; nil if
  /// it is not mapped. As `VmSpace.translate(_:)`.
  public static func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    root.translate(address)
  }

  /// Allocates a root with the kernel's entries and a reference count of one.
  ///
  /// - Throws: `outOfFrames`.
  package static func makeRoot() throws(TesseraError) -> PageTableNode {
    try RootNode.allocate(copying: root).relinquishUnlocked()
  }
}
