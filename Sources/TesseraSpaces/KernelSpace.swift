package import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// The kernel's half of every address space.
///
/// It is the same in all of them: their roots lead to the same tables, which are there from the
/// start and stay for good. What is below them changes through cursors over the kernel's area.
public enum KernelSpace {
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var rootSlot: FrameSlotReference?

  /// The kernel's own root. Traps before `start`.
  package static var root: PageTableNode {
    // SAFETY: constant once the kernel runs.
    guard let slot = unsafe rootSlot else {
      panic("an address space was used before the kernel's was started")
    }
    // SAFETY: `start` made it a node, and holds a count of it for good.
    return unsafe PageTableNode(at: slot.address)
  }

  /// The addresses that kernel cursors work on: 512 GiB, of which nothing is mapped at the start.
  public static var area: Range<VirtualAddress> { AddressSpaceLayout.kernelVirtualArea }

  /// Makes `node` the kernel's root, and runs on it. Its one count stays with the kernel. Once,
  /// alone, before there are spaces.
  package static func install(_ node: consuming Frame<NodeMetadata>) {
    RootNode.setKernelRoot(node.borrow().node)
    // SAFETY: nothing else runs. The count stays with the kernel.
    unsafe rootSlot = node.relinquishSlot()
    ActiveSpace.activate(root)
  }

  /// The physical address of the kernel's own root. Traps before `start`.
  public static var rootAddress: PhysicalAddress { root.address }

  /// Locks the pages of `range`, which lies in `area`. As `VmSpace.cursor`, for the kernel's pages.
  @_lifetime(immortal)
  public static func cursor(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false
  ) throws(RangeError) -> Cursor {
    guard area.contains(range.lowerBound), range.upperBound <= area.upperBound else {
      throw .outOfBounds
    }
    return try Cursor(
      over: range, of: root, isKernel: true, reservesNodes: reservingNodes)
  }

  /// What the page at `address` shows the kernel. As `VmSpace.translate`.
  public static func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    root.translate(address)
  }

  /// A root whose upper half is the kernel's, with one count for the caller.
  static func makeRoot() throws(FrameError) -> PageTableNode {
    let node = try RootNode.make(copying: root)
    node.unlock()
    return node
  }
}
