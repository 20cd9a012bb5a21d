public import TesseraFrames
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
  static var root: PageTableNode {
    // SAFETY: constant once the kernel runs.
    guard let slot = unsafe rootSlot else {
      panic("an address space was used before the kernel's was started")
    }
    // SAFETY: `start` made it a node, and holds a count of it for good.
    return unsafe PageTableNode(at: slot.address)
  }

  /// The addresses that kernel cursors work on: 512 GiB, of which nothing is mapped at the start.
  public static var area: Range<VirtualAddress> {
    VirtualAddress(areaStart)..<VirtualAddress(areaStart + areaByteCount)
  }

  private static var areaStart: UInt64 { 0xffff_c000_0000_0000 }
  private static var areaByteCount: UInt64 { 1 << 39 }

  /// Makes the kernel's root from the upper half of the tables that the processor runs on, and runs
  /// on it from here on.
  ///
  /// The tables below the upper half are taken over for good: nothing here frees them, or changes
  /// what they map. The lower half of the old root is left behind, and whatever it mapped. Runs
  /// once, alone. Throws `outOfFrames`, and then nothing has changed. Traps if something is mapped
  /// in `area`.
  public static func start() throws(FrameError) {
    PageTableNodePool.start()
    let level = PagingMode.current.rootLevel
    let old = PhysicalAddress(Processor.rootRegister & PageTableEntry.addressMask)
    let node = try PageTableNodePool.make(level: level, sharesUpperHalf: true)
    // SAFETY: `make` gave this count.
    let owner = unsafe Frame(owning: node)
    let table = try PageTableNodePool.make(level: level.below)
    table.unlock()
    // SAFETY: the processor runs on the table at `old`, which is visible through the window.
    let window = unsafe PageTableWindow(base: PhysicalMemory.windowAddress)
    adopt(old, level, from: 256, in: window)
    for index in 256..<512 { node.store(window.entry(at: index, of: old), at: index) }
    let place = VirtualAddress(areaStart).index(at: level)
    require(node[place].isAbsent, "the kernel's area is mapped already")
    node.store(.table(at: table.address, isUser: false), at: place)
    node.unlock()
    // SAFETY: nothing else runs. The count stays with the kernel.
    unsafe rootSlot = owner.relinquishSlot()
    ActiveSpace.activate(node)
  }

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
    let node = try PageTableNodePool.makeRoot(copying: root)
    node.unlock()
    return node
  }
}
