internal import TesseraFrames
package import TesseraHardware

/// Called once per violated invariant: which one, the first address that the entry or node at fault
/// spans, and the level of its node.
package typealias PageTableReport = (StaticString, VirtualAddress, PagingLevel) -> Void

/// Called for each leaf entry: the entry, its address, and the size of its page.
package typealias LeafVisitor = (PageTableEntry, VirtualAddress, PageSize) -> Void

/// The invariants that a tree of page tables has to keep besides those of all trees, and how much
/// of it is checked.
package struct PageTableRules {
  /// Whether the tree is in the kernel's half of the address space.
  let isKernel: Bool
  /// Whether pages may be both writable and executable.
  let allowsWriteExecute: Bool
  /// Tables and leaves for other addresses are skipped.
  let range: ClosedRange<UInt64>

  /// `range` is from the first to the last address.
  package init(
    isKernel: Bool, allowsWriteExecute: Bool, within range: ClosedRange<UInt64> = 0...(.max)
  ) {
    self.isKernel = isKernel
    self.allowsWriteExecute = allowsWriteExecute
    self.range = range
  }

  /// Whether any of the `byteCount` bytes from `start` is checked.
  func concerns(_ start: VirtualAddress, _ byteCount: UInt64) -> Bool {
    let last = start.rawValue &+ (byteCount &- 1)
    return start.rawValue <= range.upperBound && last >= range.lowerBound
  }
}

extension PageTableNode {
  /// Calls `report` once for each violated invariant of this node and those below it, and `visit`
  /// for each leaf, by ascending address.
  ///
  /// This is a node of `level` whose first entry spans `start`; of its entries those at `indices`
  /// are checked and counted. No cursor may be open on the tables, and nothing else may use them
  /// meanwhile.
  package func checkInvariants(
    of level: PagingLevel, from start: VirtualAddress, indices: Range<Int> = 0..<512,
    _ rules: PageTableRules, _ report: PageTableReport, visit: LeafVisitor
  ) {
    visitSubtree(
      of: level, from: start, indices: indices,
      enter: { node, level, start in
        let indices = node.address == address ? indices : 0..<512
        node.checkSelf(level, start, indices, report)
        guard level == .leafTable else { return }
        for index in 0..<512 {
          let address = VirtualAddress(start.rawValue &+ UInt64(index) << level.shift)
          _ = Self.checkEntry(node[index], level, address, rules, report, visit)
        }
      },
      child: { entry, level, address in
        Self.checkEntry(entry, level, address, rules, report, visit)
      })
    forgetVisits(of: level, indices)
  }

  /// Checks `entry`, and visits it if it is a leaf. Returns the node that it refers to, unless it
  /// is out of the range of `rules`, invalid or visited before.
  private static func checkEntry(
    _ entry: PageTableEntry, _ level: PagingLevel, _ address: VirtualAddress,
    _ rules: PageTableRules, _ report: PageTableReport, _ visit: LeafVisitor
  ) -> PageTableNode? {
    guard !entry.isAbsent, rules.concerns(address, level.span) else { return nil }
    checkForm(of: entry, level, address, rules, report)
    if entry.isLeaf {
      guard let size = level.pageSize else { return nil }
      checkTarget(of: entry, size, address, level, report)
      visit(entry, address, size)
    }
    return entry.isTable ? child(of: entry, level, address, report) : nil
  }

  /// Checks the node itself, whatever its entries are.
  private func checkSelf(
    _ level: PagingLevel, _ start: VirtualAddress, _ indices: Range<Int>,
    _ report: PageTableReport
  ) {
    isVisited = true
    var count = 0
    for index in indices where !self[index].isAbsent { count += 1 }
    if count != presentCount { report("present count does not match the entries", start, level) }
    if self.level != level { report("node is not one level below its parent", start, level) }
    if isLocked { report("node is locked though no cursor is open", start, level) }
    if isDetached { report("node in a tree is marked as detached", start, level) }
    if next != nil { report("node in a tree is in a list of nodes", start, level) }
    if slot.isLinked { report("node is in a list of frames", start, level) }
  }
}

extension PageTableNode {
  /// The node that `entry` refers to; nil if it is none or was visited before.
  private static func child(
    of entry: PageTableEntry, _ level: PagingLevel, _ address: VirtualAddress,
    _ report: PageTableReport
  ) -> PageTableNode? {
    guard level > .leafTable else {
      report("entry of a leaf table refers to a table", address, level)
      return nil
    }
    guard holdsNode(entry.tableAddress) else {
      report("entry refers to a table whose frame is not a node", address, level)
      return nil
    }
    // SAFETY: the frame's usage says that it is a node, and nothing else runs.
    let child = unsafe PageTableNode(at: entry.tableAddress)
    guard !child.isVisited else {
      report("node is referred to more than once", address, level)
      return nil
    }
    if child.slot.count != 1 { report("node has more owners than its parent", address, level) }
    return child
  }

  /// Whether the frame at `address` is a node.
  private static func holdsNode(_ address: PhysicalAddress) -> Bool {
    address.frameNumber < FrameTable.frameCount
      && FrameTable.slot(number: address.frameNumber).kind.usage == .pageTable
  }

  /// Checks the bits of an entry that is not absent.
  private static func checkForm(
    of entry: PageTableEntry, _ level: PagingLevel, _ address: VirtualAddress,
    _ rules: PageTableRules, _ report: PageTableReport
  ) {
    if entry.violatesReservedBits(at: level) {
      report("entry has a reserved bit set", address, level)
    }
    if entry.violatesOwnershipBits(at: level) {
      report("software bits of an entry contradict its kind", address, level)
    }
    let limit = min(PagingMode.current.physicalAddressLimit.rawValue, 1 << 51)
    if !entry.isPresent && entry.rawValue & PageTableEntry.addressMask < limit {
      report("entry that is not present contains a physical address", address, level)
    }
    let isUser = entry.rawValue & PageTableEntry.user != 0
    if !entry.isStatus && isUser == rules.isKernel {
      report("user page in the kernel's half, or kernel page in the user half", address, level)
    }
    guard entry.isLeaf, let size = level.pageSize else { return }
    if !rules.isKernel && entry.rawValue & PageTableEntry.global != 0 {
      report("user page is global", address, level)
    }
    if !rules.allowsWriteExecute && entry.property(size: size).access == .readWriteExecute {
      report("page is both writable and executable", address, level)
    }
  }

  /// Checks the memory that a leaf maps.
  private static func checkTarget(
    of entry: PageTableEntry, _ size: PageSize, _ address: VirtualAddress, _ level: PagingLevel,
    _ report: PageTableReport
  ) {
    let target = entry.leafAddress(size: size)
    if !PagingMode.current.allowsLeaf(at: target, size: size) {
      report(
        "leaf maps memory that is misaligned or beyond what the processor can address", address,
        level)
    }
    guard target.frameNumber < FrameTable.frameCount else {
      if entry.ownsFrame { report("owning leaf maps memory that has no frame", address, level) }
      return
    }
    let slot = FrameTable.slot(number: target.frameNumber).head
    if slot.kind.usage == .pageTable { report("leaf maps a page table", address, level) }
    guard entry.ownsFrame else {
      return checkDeviceMemory(from: target, size, address, level, report)
    }
    if size > slot.kind.size {
      report("owning leaf is larger than its frame", address, level)
    }
    if !ReferenceCount.isShared(slot.count) {
      report("owning leaf maps a frame that has no owner", address, level)
    }
    if !slot.kind.isUntyped { report("owning leaf maps a frame of typed metadata", address, level) }
  }
}

extension PageTableNode {
  /// Checks that no memory of the `size` bytes from `target`, which a leaf maps without owning a
  /// frame, is allocatable.
  private static func checkDeviceMemory(
    from target: PhysicalAddress, _ size: PageSize, _ address: VirtualAddress,
    _ level: PagingLevel, _ report: PageTableReport
  ) {
    let end = min(target.frameNumber + size.frameCount, FrameTable.frameCount)
    for number in target.frameNumber..<end {
      let kind = FrameTable.slot(number: number).kind
      if kind.isOutsideAllocators || kind.usage == .pageTable { continue }
      return report("device leaf maps memory that is allocated or allocatable", address, level)
    }
  }

  /// Whether the check in progress has visited the node.
  private var isVisited: Bool {
    get { metadata.flags & NodeMetadata.visitedFlag != 0 }
    nonmutating set {
      let others = metadata.flags & ~NodeMetadata.visitedFlag
      // SAFETY: nothing else runs during the check.
      unsafe storage.pointee.flags = newValue ? others | NodeMetadata.visitedFlag : others
    }
  }

  /// Clears the flags that a check has left.
  private func forgetVisits(of level: PagingLevel, _ indices: Range<Int>) {
    visitSubtree(
      of: level, indices: indices, enter: { node, _, _ in node.isVisited = false },
      child: { entry, _, _ in
        guard entry.isTable, Self.holdsNode(entry.tableAddress) else { return nil }
        // SAFETY: the frame's usage says that it is a node.
        let child = unsafe PageTableNode(at: entry.tableAddress)
        return child.isVisited ? child : nil
      })
  }
}

extension NodeMetadata {
  /// Set in a node that a check has visited.
  fileprivate static var visitedFlag: UInt8 { 4 }
}
