internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// A change of the rights of kernel pages: the checks, which change nothing, and the change itself.
///
/// The tables of these pages are never freed, and pages of them never unmapped: whatever other
/// processors do at the same time, what has been checked stays true, and splits become fewer.
struct RightsChange {
  private let range: Range<VirtualAddress>
  private let access: PageAccess
  private let change: LeafChange
  private var first: UInt64 { range.lowerBound.rawValue }
  private var end: UInt64 { range.upperBound.rawValue }

  /// Held while entries are changed and flushed: two processors must not split one page, and the
  /// second to change one must not find that nothing is left to flush.
  private static let lock = SpinLock()

  init(_ range: Range<VirtualAddress>, _ access: PageAccess) {
    self.range = range
    self.access = access
    change = LeafChange(to: access)
  }

  /// Throws `empty`, `notAligned` or `outOfBounds`.
  func checkRange() throws(TesseraError) {
    if range.isEmpty { throw .empty }
    let pageSize = PageSize.fourKiB.byteCount
    guard range.lowerBound.isAligned(to: pageSize), range.upperBound.isAligned(to: pageSize)
    else { throw .notAligned }
    let isLow = range.upperBound <= AddressSpaceLayout.userStart
    let isHigh = first >= 0 &- PagingMode.current.lowerHalfEnd.rawValue
    // With five levels, the entry of the root has more addresses than the area.
    let area = KernelSpace.area.lowerBound.rawValue
    let afterArea = area + PagingMode.current.rootLevel.span
    guard isLow || isHigh, end <= area || first >= afterArea else { throw .outOfBounds }
  }

  /// Throws `usedByProcessor` if this processor needs a right that a page of the range would lose.
  func checkProcessor() throws(TesseraError) {
    let kept = KeptAddresses(upperHalfAndBelow: AddressSpaceLayout.userStart)
    let tables = RunningTables(base: UInt64(PhysicalMemory.directMapBase))
    var processor = RunningProcessor(tables, keeping: kept, linear: kept)
    let usesInterruptTable = processor.usesInterruptTable
    var descriptors = DescriptorTables(tables, linear: kept)
    let writesSegments = !access.allowsWrite && descriptors.writesSegmentTable
    var found: ProcessorPart?
    ProcessorParts.forEach(usesInterruptTable: usesInterruptTable) { part, address, byteCount in
      let keepsRight =
        switch part {
        case .code: access.allowsExecute
        case .stack, .variables: access.allowsWrite
        case .segmentTable: access.allowsRead && !writesSegments
        case .interruptTable, .taskState, .pageTable: access.allowsRead
        }
      let overlap = Overlap(of: address, address &+ (byteCount - 1), with: first..<end)
      if !keepsRight && overlap != .none { found = found ?? part }
    }
    if let found { throw .usedByProcessor(found) }
    if access.allowsExecute || !usesInterruptTable { return }
    if descriptors.hasGate(leading: true, to: first..<end) { throw .usedByProcessor(.code) }
  }
}

extension RightsChange {
  /// Checks the pages, and counts the tables for splits.
  ///
  /// Throws `notMapped`, `rightsWithheld` or `managedMemory`.
  func check(_ splits: inout SplitTables) throws(TesseraError) {
    var failure: TesseraError?
    var written = WrittenMemory()
    // The address after the pages that were looked up in it: a page that will be split is seen once
    // for each part.
    var position = first
    KernelPages(root: KernelSpace.rootAddress, areAdopted: true)
      .apply(to: first...end - 1, &splits) { entry in
        if failure != nil { return .keep }
        let page = VirtualAddress(max(entry.first, first))
        guard entry.kind == .leaf else {
          failure = .notMapped(page)
          return .keep
        }
        let isWithheld =
          access.allowsWrite && !entry.allowsWrite
          || access.allowsExecute && !entry.allowsExecute
        if isWithheld { failure = .rightsWithheld(page) }
        if !access.allowsWrite && page.rawValue >= position {
          position = min(entry.last, end - 1) + 1
          if let memory = written.add(entry, from: page.rawValue, to: position - 1) {
            failure = .managedMemory(memory)
          }
        }
        return outcome(for: entry)
      }
    if failure == nil, let table = written.tableInLastRun { failure = .managedMemory(table) }
    if let failure { throw failure }
  }

  private func outcome(for entry: KernelPages.Entry) -> KernelPages.Change {
    switch Overlap(of: entry.first, entry.last, with: first..<end) {
    case .none: .keep
    case .part: .split
    case .whole: .replace(change.applied(to: entry.value))
    }
  }

  /// Changes the pages, which have been checked, in pieces of at most 64, with interrupts off for
  /// each.
  func apply(_ splits: inout SplitTables) {
    var position = first
    while position < end {
      let interrupts = Self.lock.lock { TLBShootdown.serve() }
      let last = min(position | (64 * PageSize.fourKiB.byteCount - 1), end - 1)
      let next = changePiece(position...last, &splits)
      Self.lock.unlock(interrupts)
      position = next
    }
  }

  /// Changes the pages in `bounds`. Returns the address after the last, which is larger if they are
  /// a part of a large page.
  private func changePiece(
    _ bounds: ClosedRange<UInt64>, _ splits: inout SplitTables
  ) -> UInt64 {
    var next = bounds.upperBound &+ 1
    var changedCount = 0
    var changed: UInt64 = 0
    KernelPages(root: KernelSpace.rootAddress, areAdopted: true)
      .apply(to: bounds, &splits) { entry in
        let outcome = outcome(for: entry)
        if case .replace(let value) = outcome {
          next = max(next, entry.last &+ 1)
          if value != entry.value { (changed, changedCount) = (entry.first, changedCount + 1) }
        }
        return outcome
      }
    if changedCount == 1 {
      TLBShootdown.flushKernelPages(from: VirtualAddress(changed), pageCount: 1)
    } else if changedCount > 0 {
      let byteCount = bounds.upperBound - bounds.lowerBound + 1
      TLBShootdown.flushKernelPages(
        from: VirtualAddress(bounds.lowerBound), pageCount: byteCount / PageSize.fourKiB.byteCount)
    }
    return next
  }
}
