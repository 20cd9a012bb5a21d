package import TesseraFrames
package import TesseraHardware
internal import TesseraPageTables
package import TesseraSpaces

extension KernelSpace {
  /// Makes the kernel's root from the upper half of the page tables that the processor runs on, and
  /// loads it.
  ///
  /// The tables below the upper half are adopted permanently: nothing frees them or changes what
  /// they map. If they are `copied`, the loader's own are unused afterwards. The lower half is left
  /// behind, except what lies below `lowEnd`, rounded up to whole entries of the root: that becomes
  /// a part of every space. The tables must be mapped in the direct map. Runs once, alone.
  ///
  /// - Throws: `outOfFrames`; nothing has changed then.
  /// - Precondition: `isAreaAbsent`, and `lowEnd` lies in the lower half.
  package static func start(
    copied: Bool = false, keepingBelow lowEnd: VirtualAddress = VirtualAddress(0)
  ) throws(FrameError) {
    let level = PagingMode.current.rootLevel
    let lowCount = lowEnd.rawValue == 0 ? 0 : ((lowEnd.rawValue &- 1) >> level.shift) &+ 1
    require(lowCount <= 256, "the kernel's low addresses extend beyond the lower half")
    require(isAreaAbsent, "kernel virtual area is already mapped")
    AddressSpaceLayout.start(lowKernelEntryCount: Int(lowCount))
    NodePool.start()
    let root = try NodePool.allocate(level: level, isRoot: true)
    let area = try NodePool.allocate(level: level.below)
    var tables = LoaderTables(copied: copied)
    try tables.reserveCopies(for: 0..<Int(lowCount))
    try tables.reserveCopies(for: 256..<512)

    let areaTable = PageTableEntry.table(at: area.relinquishUnlocked().address, isUser: false)
    root.withNode { node in
      tables.adopt(0..<Int(lowCount), into: node)
      tables.adopt(256..<512, into: node)
      node.store(areaTable, at: AddressSpaceLayout.kernelVirtualAreaEntry)
    }
    install(root.relinquishUnlocked())
  }

  /// Whether the page tables that the processor runs on map nothing in `area`. They must be mapped
  /// in the direct map.
  package static var isAreaAbsent: Bool {
    RunningTables(base: UInt64(PhysicalMemory.directMapBase))
      .rootEntry(at: AddressSpaceLayout.kernelVirtualAreaEntry).isAbsent
  }

  /// Whether one of the page tables that map the kernel half, except those of `area`, lies in
  /// `range`.
  package static func usesTable(in range: Range<PhysicalAddress>) -> Bool {
    let running = RunningTables(base: UInt64(PhysicalMemory.directMapBase), root: rootAddress)
    var isUsed = false
    for index in 0..<512 where index != AddressSpaceLayout.kernelVirtualAreaEntry {
      running.forEachTable(below: index, before: FrameTable.end) { table, _ in
        if range.contains(table) { isUsed = true }
      }
    }
    return isUsed
  }
}
