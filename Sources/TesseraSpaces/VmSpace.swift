public import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// The virtual address space of a program: what it can reach in the lower half, above the kernel's
/// half that all spaces share.
///
/// A new space maps nothing. Memory is put into it, changed and taken out through cursors over
/// ranges. Destroying a space lets go of everything it maps; a processor that still runs on it
/// keeps it until it activates another.
public struct VmSpace: ~Copyable, Sendable {
  /// A C function that answers a page fault, given the address, the error code and a context.
  package typealias FaultHandler = @convention(c) (UInt64, UInt64, UInt) -> Bool

  /// The root node, of which the space holds a count.
  package let root: PageTableNode

  /// What answers the faults of this space, if anything does, and the number it gets.
  package var faultHandler: (function: FaultHandler, context: UInt)?

  /// Makes a space without mappings. Throws `outOfFrames`. Traps before `KernelSpace.start`.
  public init() throws(FrameError) {
    root = try KernelSpace.makeRoot()
  }

  deinit { NodePool.release(root) }

  /// The physical address of the root node, for a register or a picture.
  public var rootAddress: PhysicalAddress { root.address }

  /// The first address that a program can map: zero, unless the kernel keeps low addresses.
  @inline(__always)
  public static var start: VirtualAddress { AddressSpaceLayout.userStart }

  /// The first address that no program can map any more: half of all virtual addresses, less a
  /// page, because an instruction that ends there would fault on the way back to the program.
  @inline(__always)
  public static var end: VirtualAddress { AddressSpaceLayout.userEnd }

  /// Locks the pages of `range`, for as long as the cursor lives.
  ///
  /// Waits while another cursor holds a part of them. The caller is not moved to another processor
  /// until the cursor is destroyed. Throws `empty`, `notAligned`, or `outOfBounds` if `range`
  /// begins below `start` or ends above `end`.
  ///
  /// If `reservingNodes`, as many page-table nodes as the whole range may need are allocated before
  /// it is locked, and no operation of the cursor fails for want of frames; throws `outOfFrames` if
  /// there are not as many.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func cursor(
    over range: Range<VirtualAddress>, reservingNodes: Bool = false
  ) throws(RangeError) -> Cursor {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor(
      over: range, of: root, isKernel: false, reservesNodes: reservingNodes)
  }

  /// The same, of which nobody checks that the space outlives it.
  @inline(__always)
  @_lifetime(immortal)
  @unsafe package borrowing func unboundCursor(
    over range: Range<VirtualAddress>, reservingNodes: Bool
  ) throws(RangeError) -> Cursor {
    guard AddressSpaceLayout.isUser(range) else { throw .outOfBounds }
    return try Cursor(
      over: range, of: root, isKernel: false, reservesNodes: reservingNodes)
  }

  /// What the page at `address` shows: the physical address of that byte, and the page's property.
  ///
  /// Takes no lock: the answer may be old when it is returned. Nil if nothing is mapped there.
  @inline(__always)
  public borrowing func translate(
    _ address: VirtualAddress
  ) -> (address: PhysicalAddress, property: PageProperty)? {
    root.translate(address)
  }
}

extension VmSpace {
  /// Makes this space the one that the calling processor runs on. Does nothing if it is that
  /// already.
  ///
  /// The processor shares the space's root until it activates another. Interrupts are off
  /// meanwhile.
  public borrowing func activate() { ActiveSpace.activate(root) }

  /// On how many processors the space is active.
  public var activeProcessorCount: Int { root.activeProcessors.nonzeroBitCount }

  /// Makes the calling processor run on the kernel's tables alone.
  public static func deactivate() { ActiveSpace.activate(KernelSpace.root) }
}
