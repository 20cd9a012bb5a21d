public import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

extension KernelSpace {
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
    NodePool.start(kernelLowEntryCount: Int(lowCount))
    NodePool.setProgramBounds(VmSpace.start..<VmSpace.end)
    let node = try NodePool.make(level: level, sharesUpperHalf: true)
    // SAFETY: `make` gave this count.
    let owner = unsafe Frame(owning: node)
    let area = try NodePool.make(level: level.below)
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
    install(owner)
  }

  /// Whether nothing is mapped in `area` by the tables that the processor runs on, which are
  /// visible.
  public static var isAreaAbsent: Bool {
    let place = VirtualAddress(areaStart).index(at: PagingMode.current.rootLevel)
    return LoaderTables(copied: false).entry(at: place).isAbsent
  }
}
