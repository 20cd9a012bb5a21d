internal import Synchronization
package import TesseraFrames
package import TesseraHardware

/// Makes page-table nodes, from frames that are known to hold zeros if there are some.
///
/// A node whose last entry was taken out is all zeros again: it waits here, so that the next one
/// need not be cleared. Roots wait apart: their upper halves stay, which are the kernel's and all
/// the same. None waits if the kernel has a frame allocator of its own, which is to have back what
/// is not in use.
package enum NodePool {
  /// More nodes than this do not wait here: their frames go back to the allocator.
  package static var capacity: Int { 64 }

  /// Guards the chains. No other lock is taken while it is held.
  private static let lock = SpinLock()
  /// Access: under the lock.
  nonisolated(unsafe) private static var nodes = NodeChain()
  /// Access: under the lock.
  nonisolated(unsafe) private static var roots = NodeChain()

  /// How many entries at the start of each root are the kernel's, as those of the upper half are.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var lowEntryCount = 0

  /// Which entries of a root of level 4 are a program's: the first, and how many. None if roots are
  /// of another level, or if there are no spaces yet.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var programEntries: (first: UInt64, count: UInt64) = (0, 0)

  /// Whether `index` is one of those entries: none that the loader made.
  @inline(__always)
  static func isProgramEntry(_ index: UInt64) -> Bool {
    // SAFETY: constant once there are spaces.
    unsafe index &- programEntries.first < programEntries.count
  }

  /// The addresses that programs can map: from the first to that after the last.
  ///
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var programBounds: (start: UInt64, end: UInt64) = (0, 0)

  /// Says which addresses programs can map, as `isProgram` is to know it. Once, after `start`.
  package static func setProgramBounds(_ range: Range<VirtualAddress>) {
    // SAFETY: before there are spaces.
    unsafe programBounds = (range.lowerBound.rawValue, range.upperBound.rawValue)
  }

  /// Whether programs can map all of `range`.
  @inline(__always)
  package static func isProgram(_ range: Range<VirtualAddress>) -> Bool {
    // SAFETY: constant once there are spaces.
    let bounds = unsafe programBounds
    return range.lowerBound.rawValue >= bounds.start && range.upperBound.rawValue <= bounds.end
  }

  /// How many entries at the start of each root are the kernel's.
  @inline(__always)
  package static var kernelLowEntryCount: Int {
    // SAFETY: constant once there are spaces.
    unsafe lowEntryCount
  }

  /// Begins without any node, when the memory has just been started.
  ///
  /// The first `kernelLowEntryCount` entries of each root are to be the kernel's.
  package static func start(kernelLowEntryCount: Int = 0) {
    withLock {
      // SAFETY: under the lock, before there are spaces.
      unsafe lowEntryCount = kernelLowEntryCount
      let isLevel4 = PagingMode.current.rootLevel.number == 4
      // SAFETY: as above.
      unsafe programEntries = (
        UInt64(kernelLowEntryCount), isLevel4 ? 256 - UInt64(kernelLowEntryCount) : 0
      )
      // SAFETY: as above.
      unsafe upperEntries = (0, 0, 0, 0)
      // SAFETY: under the lock.
      unsafe nodes = NodeChain(isClosed: FrameAllocator.isExternal)
      // SAFETY: under the lock.
      unsafe roots = NodeChain(isClosed: FrameAllocator.isExternal)
    }
  }

  /// Which entries of the upper half of every root are not absent: a bit for each, from below.
  ///
  /// Access: written by `start` and `setKernelRoot`, constant afterwards.
  nonisolated(unsafe) private static var upperEntries: (UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0
  )

  /// Says that the kernel's entries of every root are to be those of `kernel`, which has all that
  /// it will ever have. Once, after `start`.
  package static func setKernelRoot(_ kernel: PageTableNode) {
    // SAFETY: before there are spaces.
    unsafe upperEntries = (
      kernel.bitsOfPresence(from: 256), kernel.bitsOfPresence(from: 320),
      kernel.bitsOfPresence(from: 384), kernel.bitsOfPresence(from: 448)
    )
  }

  /// How many nodes wait, roots among them.
  package static var count: Int {
    // SAFETY: under the lock.
    withLock { unsafe nodes.waitingCount + roots.waitingCount }
  }

  /// A node of `level` without entries, locked, with one count. Throws `outOfFrames`.
  package static func make(
    level: PagingLevel, sharesUpperHalf: Bool = false
  ) throws(FrameError) -> PageTableNode {
    if let slot = try take(root: false) {
      return use(slot, level, sharesUpperHalf: sharesUpperHalf)
    }
    return use(
      try FrameAllocator.allocateSlot(FrameRequest()), level, sharesUpperHalf: sharesUpperHalf)
  }

  /// A root without entries of a program's, and with those of `kernel` in its upper half and where
  /// else the kernel is, locked, with one count. `kernel` is the same each time. Throws
  /// `outOfFrames`.
  package static func makeRoot(copying kernel: PageTableNode) throws(FrameError) -> PageTableNode {
    let level = kernel.level
    if let slot = try take(root: true) { return use(slot, level, sharesUpperHalf: true) }
    let node = try make(level: level, sharesUpperHalf: true)
    // The entries own nothing: the tables that they lead to are there for good.
    for index in 0..<kernelLowEntryCount {
      let entry = kernel[index]
      if !entry.isAbsent { node.store(entry, at: index) }
    }
    // SAFETY: constant once there are spaces.
    let upper = unsafe upperEntries
    node.copy(upper.0, from: 256, of: kernel)
    node.copy(upper.1, from: 320, of: kernel)
    node.copy(upper.2, from: 384, of: kernel)
    node.copy(upper.3, from: 448, of: kernel)
    return node
  }

  /// Lets go of a count of `node`. With the last one the node's children are let go too, and the
  /// node, all zeros again, waits here.
  package static func release(_ node: PageTableNode) {
    guard node.slot.drop() else { return }
    Processor.noteFrameFree(at: node.address, byteCount: PageSize.fourKiB.byteCount)
    let sharesUpperHalf = node.sharesUpperHalf
    node.slot.destroyMetadata()
    if Processor.poisonsFrames || !give(node.slot, sharesUpperHalf) {
      FrameAllocator.freeSlot(node.slot)
    }
  }

  /// Gives all waiting nodes back to the allocator.
  package static func drain() {
    // SAFETY: under the lock.
    while let slot = withLock({ unsafe nodes.take() ?? roots.take() }) {
      FrameAllocator.freeSlot(slot)
    }
  }

  /// A node that waits, or nil. Throws `outOfFrames` if the next allocation is to fail.
  @inline(__always)
  private static func take(root isRoot: Bool) throws(FrameError) -> FrameSlotReference? {
    // SAFETY: under the lock.
    guard let slot = withLock({ isRoot ? unsafe roots.take() : unsafe nodes.take() }) else {
      return nil
    }
    guard Processor.refusesAllocation else { return slot }
    if !give(slot, isRoot) { FrameAllocator.freeSlot(slot) }
    throw .outOfFrames
  }

  /// Makes a node of the frame of `slot`, which the caller alone has.
  @inline(__always)
  private static func use(
    _ slot: FrameSlotReference, _ level: PagingLevel, sharesUpperHalf: Bool
  ) -> PageTableNode {
    slot.initialize(
      NodeMetadata(level: level, sharesUpperHalf: sharesUpperHalf), allocated: true)
    slot.setCount(1)
    // SAFETY: the frame has just become a node.
    return unsafe PageTableNode(at: slot.address)
  }

  /// Lets the frame of `slot`, in its state of rest and nobody's else, wait. Says whether there was
  /// room.
  private static func give(_ slot: FrameSlotReference, _ isRoot: Bool) -> Bool {
    slot.initialize(NodeMetadata(level: .leafTable), allocated: true)
    slot.setCount(ReferenceCount.unique)
    // SAFETY: under the lock, and the frame has just become a node.
    return withLock { isRoot ? unsafe roots.give(slot) : unsafe nodes.give(slot) }
  }

  @inline(__always)
  private static func withLock<Result>(_ body: () -> Result) -> Result {
    let interrupts = lock.lock()
    let result = body()
    lock.unlock(interrupts)
    return result
  }
}

extension PageTableNode {
  /// A bit for each of the 64 entries from `first` on that is not absent, from below.
  fileprivate func bitsOfPresence(from first: Int) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<64 where !self[first + index].isAbsent { bits |= 1 << UInt64(index) }
    return bits
  }

  /// Stores the entries of `other` for which `bits` has a bit, from that at `first` on, in the same
  /// places here. Nobody else has this node.
  @inline(__always)
  fileprivate func copy(_ bits: UInt64, from first: Int, of other: PageTableNode) {
    var left = bits
    while left != 0 {
      let index = first &+ left.trailingZeroBitCount
      store(other[index], at: index)
      left &= left &- 1
    }
  }
}

/// Nodes that wait, each with a unique count. Access: under the pool's lock.
///
/// Apart from what lies beside it, which is read whenever a cursor is opened.
private struct NodeChain {
  private let before = CacheLinePadding()
  private var first: FrameSlotReference?
  /// How many there is no more room for. A closed chain is always full.
  private var count: Int

  init(isClosed: Bool = false) { count = isClosed ? NodePool.capacity : 0 }

  /// How many nodes wait.
  var waitingCount: Int { first == nil ? 0 : count }

  /// One of the nodes, or nil if none waits.
  @inline(__always)
  mutating func take() -> FrameSlotReference? {
    guard let slot = first else { return nil }
    // SAFETY: what waits is a node.
    first = unsafe PageTableNode(at: slot.address).next
    count -= 1
    return slot
  }

  /// Adds the node of `slot`. Says whether there was room.
  @inline(__always)
  mutating func give(_ slot: FrameSlotReference) -> Bool {
    guard count < NodePool.capacity else { return false }
    // SAFETY: the caller made it a node, and gives it up.
    unsafe PageTableNode(at: slot.address).next = first
    first = slot
    count += 1
    return true
  }
}
