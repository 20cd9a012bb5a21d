internal import TesseraFrames
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
  /// a part of every space. The tables must be mapped in the direct map. What `plan` asks for is
  /// done before the root is loaded. The tables below the entries at `ownEntries` are Tessera's,
  /// and never copied. Runs once, alone.
  ///
  /// - Throws: `outOfFrames`; nothing has changed then.
  /// - Precondition: `isAreaAbsent`, `lowEnd` lies in the lower half, and `tableAtTwoLevels` is
  ///   nil.
  @discardableResult
  package static func start(
    copied: Bool = false, keepingBelow lowEnd: VirtualAddress = VirtualAddress(0),
    ownEntries: Range<Int> = 512..<512, protecting plan: ProtectionPlan = ProtectionPlan()
  ) throws(TesseraError) -> AdoptionResult {
    let level = PagingMode.current.rootLevel
    let low = lowEntries(below: lowEnd)
    require(isAreaAbsent, "kernel virtual area is already mapped")
    AddressSpaceLayout.start(lowKernelEntryCount: low.count)
    NodePool.start()
    let root = try NodePool.allocate(level: level, isRoot: true)
    let area = try NodePool.allocate(level: level.below)
    var tables = LoaderTables(copied: copied)
    try tables.reserveCopies(for: low)
    try tables.reserveCopies(for: 256..<ownEntries.lowerBound)
    try tables.reserveCopies(for: ownEntries.upperBound..<512)
    var splits = SplitTables()
    try plan.reserve(&splits, keepingBelow: lowEnd)
    try ZeroFrame.start()
    if !copied {
      let isMarked =
        LoaderTableMarks.set(below: low) == nil
        && LoaderTableMarks.set(below: 256..<512) == nil
      require(isMarked, "a loader's page table is reachable at two levels")
    }

    let areaTable = PageTableEntry.table(at: area.relinquishUnlocked().address, isUser: false)
    root.withNode { node in
      tables.adopt(low, into: node)
      tables.adopt(256..<ownEntries.lowerBound, into: node)
      tables.adopt(ownEntries, into: node, copied: false)
      tables.adopt(ownEntries.upperBound..<512, into: node)
      node.store(areaTable, at: AddressSpaceLayout.kernelVirtualAreaEntry)
    }
    let node = root.relinquishUnlocked()
    plan.apply(to: node.address, &splits, keepingBelow: lowEnd)
    install(node)
    // Translations from before may be user pages, or global.
    Processor.invalidateAll(alsoGlobal: true)
    return tables.result
  }

  /// The entries of the root for addresses below `end`. Panics above the lower half.
  static func lowEntries(below end: VirtualAddress) -> Range<Int> {
    if end.rawValue == 0 { return 0..<0 }
    let count = ((end.rawValue &- 1) >> PagingMode.current.rootLevel.shift) &+ 1
    require(count <= 256, "the kernel's low addresses extend beyond the lower half")
    return 0..<Int(count)
  }

  /// A table that `start` would adopt and that is reachable at two levels, or nil if there is none:
  /// its entries would be translated for one of them.
  package static func tableAtTwoLevels(keepingBelow lowEnd: VirtualAddress) -> PhysicalAddress? {
    let low = lowEntries(below: lowEnd)
    let foundLow = LoaderTableMarks.set(below: low)
    let found = LoaderTableMarks.set(below: 256..<512)
    LoaderTableMarks.clear(below: low)
    LoaderTableMarks.clear(below: 256..<512)
    return foundLow ?? found
  }

  /// Whether the page tables that the processor runs on map nothing in `area`. They must be mapped
  /// in the direct map.
  package static var isAreaAbsent: Bool {
    RawPageTables.inDirectMap
      .entry(at: AddressSpaceLayout.kernelVirtualAreaEntry, of: Processor.rootAddress).isAbsent
  }
}
