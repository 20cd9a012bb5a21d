internal import TesseraFrames
package import TesseraHardware

/// Hears of a rule of page tables that does not hold: which one, the first address that the entry
/// or node at fault spans, and the level of the node it is in.
package typealias PageTableReport = (StaticString, VirtualAddress, PagingLevel) -> Void

/// Sees a leaf of a tree of page tables: the entry, its address, and the size of its page.
package typealias LeafVisitor = (PageTableEntry, VirtualAddress, PageSize) -> Void

/// What a tree of page tables must keep besides the rules of all, and how much of it is looked at.
package struct PageTableRules {
  /// Whether it is in the kernel's half of the address space.
  let isKernel: Bool
  /// Whether memory may be both written and executed.
  let allowsWriteExecute: Bool
  /// Tables for no address of this range, and leaves, are passed over.
  let range: ClosedRange<UInt64>

  /// `range` is from the first to the last address.
  package init(
    isKernel: Bool, allowsWriteExecute: Bool, within range: ClosedRange<UInt64> = 0...(.max)
  ) {
    self.isKernel = isKernel
    self.allowsWriteExecute = allowsWriteExecute
    self.range = range
  }

  /// Whether any of the `byteCount` bytes from `start` on is looked at.
  func concerns(_ start: VirtualAddress, _ byteCount: UInt64) -> Bool {
    let last = start.rawValue &+ (byteCount &- 1)
    return start.rawValue <= range.upperBound && last >= range.lowerBound
  }
}

extension PageTableNode {
  /// Calls `report` once for each rule that does not hold in this node and in those below it, and
  /// `visit` with each leaf, in the order of their addresses.
  ///
  /// This is a node of `level` whose first entry is for `start`; of its entries those of `indices`
  /// are looked at, and counted. No cursor may be open on the tables, and nothing else may use them
  /// meanwhile.
  package func checkInvariants(
    of level: PagingLevel, from start: VirtualAddress, indices: Range<Int> = 0..<512,
    _ rules: PageTableRules, _ report: PageTableReport, visit: LeafVisitor
  ) {
    checkBelow(level, start, indices, rules, report, visit)
    forgetVisits(level, indices)
  }

  private func checkBelow(
    _ level: PagingLevel, _ start: VirtualAddress, _ indices: Range<Int>, _ rules: PageTableRules,
    _ report: PageTableReport, _ visit: LeafVisitor
  ) {
    isVisited = true
    checkSelf(level, start, report)
    var count = 0
    for index in indices {
      let entry = self[index]
      if entry.isAbsent { continue }
      count += 1
      let address = VirtualAddress(start.rawValue &+ UInt64(index) << level.shift)
      guard rules.concerns(address, level.span) else { continue }
      Self.checkForm(of: entry, level, address, rules, report)
      if entry.isLeaf {
        guard let size = level.pageSize else { continue }
        Self.checkTarget(of: entry, size, address, level, report)
        visit(entry, address, size)
      } else if entry.isTable {
        guard let child = Self.child(of: entry, level, address, report) else { continue }
        child.checkBelow(level.below, address, 0..<512, rules, report, visit)
      }
    }
    if count != presentCount {
      report("a node counts its entries that are not absent", start, level)
    }
  }

  /// What holds of a node whatever its entries are.
  private func checkSelf(
    _ level: PagingLevel, _ start: VirtualAddress, _ report: PageTableReport
  ) {
    if self.level != level { report("a node is one level below its parent", start, level) }
    if isLocked { report("a node's lock is free while nothing happens", start, level) }
    if isDetached { report("no node of a tree is marked as taken out of it", start, level) }
    if next != nil { report("no node of a tree is in a chain", start, level) }
    if slot.isLinked { report("no node is in a list", start, level) }
  }
}

extension PageTableNode {
  /// The node that the table `entry` leads to, unless it is none or was met before.
  private static func child(
    of entry: PageTableEntry, _ level: PagingLevel, _ address: VirtualAddress,
    _ report: PageTableReport
  ) -> PageTableNode? {
    guard level > .leafTable else {
      report("an entry of a leaf table leads to no table", address, level)
      return nil
    }
    guard holdsNode(entry.tableAddress) else {
      report("an entry leads to a table whose frame is a node", address, level)
      return nil
    }
    // SAFETY: the frame's usage says that it is a node, and nothing happens meanwhile.
    let child = unsafe PageTableNode(at: entry.tableAddress)
    guard !child.isVisited else {
      report("a node hangs in one place", address, level)
      return nil
    }
    if child.slot.count != 1 { report("a node's parent is its only owner", address, level) }
    return child
  }

  /// Whether there is memory at `address` that is used as a node.
  private static func holdsNode(_ address: PhysicalAddress) -> Bool {
    address.frameNumber < FrameTable.frameCount
      && FrameTable.slot(number: address.frameNumber).kind.usage == .pageTable
  }

  /// The form of an entry that is not absent.
  private static func checkForm(
    of entry: PageTableEntry, _ level: PagingLevel, _ address: VirtualAddress,
    _ rules: PageTableRules, _ report: PageTableReport
  ) {
    if entry.violatesReservedBits(at: level) {
      report("no entry has a reserved bit set", address, level)
    }
    if entry.violatesOwnershipBits(at: level) {
      report("leaves and statuses are marked as what they are", address, level)
    }
    let limit = min(PagingMode.current.physicalAddressLimit.rawValue, 1 << 51)
    if !entry.isPresent && entry.rawValue & PageTableEntry.addressMask < limit {
      report("an entry that is not present names no memory", address, level)
    }
    let isUser = entry.rawValue & PageTableEntry.user != 0
    if !entry.isStatus && isUser == rules.isKernel {
      report("a program's pages are user pages, and the kernel's are not", address, level)
    }
    guard entry.isLeaf, let size = level.pageSize else { return }
    if !rules.isKernel && entry.rawValue & PageTableEntry.global != 0 {
      report("a program's page is not global", address, level)
    }
    if !rules.allowsWriteExecute && entry.property(size: size).access == .readWriteExecute {
      report("nothing can be both written and executed", address, level)
    }
  }

  /// The memory that a leaf shows.
  private static func checkTarget(
    of entry: PageTableEntry, _ size: PageSize, _ address: VirtualAddress, _ level: PagingLevel,
    _ report: PageTableReport
  ) {
    let target = entry.leafAddress(size: size)
    if !PagingMode.current.allowsLeaf(at: target, size: size) {
      report("a leaf shows memory that the processor has, aligned to its size", address, level)
    }
    guard target.frameNumber < FrameTable.frameCount else {
      if entry.ownsFrame { report("a counted leaf shows a frame", address, level) }
      return
    }
    let slot = FrameTable.slot(number: target.frameNumber).head
    if slot.kind.usage == .pageTable { report("no leaf shows a page table", address, level) }
    guard entry.ownsFrame else { return }
    if size > slot.kind.size {
      report("a counted leaf is no larger than its frame", address, level)
    }
    if !ReferenceCount.isShared(slot.count) {
      report("a counted leaf shows a frame that has owners", address, level)
    }
    if !slot.kind.isUntyped { report("a counted leaf shows plain memory", address, level) }
  }
}

extension PageTableNode {
  /// Whether a check that is going on has been here.
  private var isVisited: Bool {
    get { metadata.flags & NodeMetadata.visitedFlag != 0 }
    nonmutating set {
      let others = metadata.flags & ~NodeMetadata.visitedFlag
      // SAFETY: nothing else runs while rules are checked.
      unsafe storage.pointee.flags = newValue ? others | NodeMetadata.visitedFlag : others
    }
  }

  /// Takes back every mark that a check left.
  private func forgetVisits(_ level: PagingLevel, _ indices: Range<Int>) {
    isVisited = false
    guard level > .leafTable else { return }
    for index in indices {
      let entry = self[index]
      guard entry.isTable, Self.holdsNode(entry.tableAddress) else { continue }
      // SAFETY: the frame's usage says that it is a node.
      let child = unsafe PageTableNode(at: entry.tableAddress)
      if child.isVisited { child.forgetVisits(level.below, 0..<512) }
    }
  }
}

extension NodeMetadata {
  /// Marks a node that a check has met.
  fileprivate static var visitedFlag: UInt8 { 4 }
}
