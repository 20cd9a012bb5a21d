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
    let start = areaStart
    return VirtualAddress(start)..<VirtualAddress(start &+ areaByteCount)
  }

  /// The middle of the upper half: 0xffff_c000_0000_0000 with four levels of tables, and
  /// 0xff80_0000_0000_0000 with five. So the area has an entry of the root for itself, far from the
  /// image at the top and from the direct map, which loaders put at the bottom.
  private static var areaStart: UInt64 {
    0 &- PagingMode.current.lowerHalfEnd.rawValue / 2
  }
  private static var areaByteCount: UInt64 { 1 << 39 }

  /// Makes the kernel's root from the upper half of the tables that the processor runs on, and runs
  /// on it from here on.
  ///
  /// The tables below the upper half are taken over for good: nothing here frees them, or changes
  /// what they map. If they are `copied`, the loader's own are out of use afterwards. The lower
  /// half of the old root is left behind, and whatever it mapped, but for what lies below `lowEnd`:
  /// that stays the kernel's in every space, rounded up to whole entries of the root.
  ///
  /// The tables must be visible. Runs once, alone. Throws `outOfFrames`, and then nothing has
  /// changed. Traps if something is mapped in `area`, or `lowEnd` lies beyond the lower half.
  public static func start(
    copied: Bool = false, keepingBelow lowEnd: VirtualAddress = VirtualAddress(0)
  ) throws(FrameError) {
    let level = PagingMode.current.rootLevel
    let lowCount = lowEnd.rawValue == 0 ? 0 : ((lowEnd.rawValue &- 1) >> level.shift) &+ 1
    require(lowCount <= 256, "what the kernel keeps of the lower half lies in it")
    require(isAreaAbsent, "the kernel's area is mapped already")
    PageTableNodePool.start(kernelLowEntryCount: Int(lowCount))
    PageTableNodePool.setProgramBounds(VmSpace.start..<VmSpace.end)
    let node = try PageTableNodePool.make(level: level, sharesUpperHalf: true)
    // SAFETY: `make` gave this count.
    let owner = unsafe Frame(owning: node)
    let area = try PageTableNodePool.make(level: level.below)
    area.unlock()
    // SAFETY: as above.
    let areaOwner = unsafe Frame(owning: area)
    let tables = LoaderTables(copied: copied)
    try tables.give(0..<Int(lowCount), to: node)
    do throws(FrameError) {
      try tables.give(256..<512, to: node)
    } catch {
      tables.takeBack(0..<Int(lowCount), from: node)
      throw error
    }
    let place = VirtualAddress(areaStart).index(at: level)
    node.store(.table(at: areaOwner.relinquish(), isUser: false), at: place)
    node.unlock()
    PageTableNodePool.setKernelRoot(node)
    // SAFETY: nothing else runs. The count stays with the kernel.
    unsafe rootSlot = owner.relinquishSlot()
    ActiveSpace.activate(node)
  }

  /// The physical address of the kernel's own root. Traps before `start`.
  public static var rootAddress: PhysicalAddress { root.address }

  /// Whether nothing is mapped in `area` by the tables that the processor runs on, which are
  /// visible.
  public static var isAreaAbsent: Bool {
    let place = VirtualAddress(areaStart).index(at: PagingMode.current.rootLevel)
    return LoaderTables(copied: false).entry(at: place).isAbsent
  }

  /// Whether a table that the kernel's half uses lies in `range`, other than those of `area`.
  public static func usesTable(in range: Range<PhysicalAddress>) -> Bool {
    let level = PagingMode.current.rootLevel
    let place = VirtualAddress(areaStart).index(at: level)
    for index in 0..<512 where index != place {
      if root[index].leadsToTable(in: range, level) { return true }
    }
    return false
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

extension PageTableEntry {
  /// Whether this entry of a table of `level` leads to a table in `range`, or to one that does.
  fileprivate func leadsToTable(in range: Range<PhysicalAddress>, _ level: PagingLevel) -> Bool {
    guard leadsToTable(at: level), tableAddress < FrameTable.end else { return false }
    if range.contains(tableAddress) { return true }
    // SAFETY: the kernel's tables stay, and are visible.
    let table = unsafe PageTableNode(at: tableAddress)
    for index in 0..<512 where table[index].leadsToTable(in: range, level.below) { return true }
    return false
  }
}
