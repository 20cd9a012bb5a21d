internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// Roots of destroyed spaces that still map pages, until those are released.
///
/// A space that is destroyed is emptied at once, unless it is active on another processor, whose
/// TLB may have translations of it. Then its pages stay until the last processor leaves the root.
/// Releasing them takes long, and a processor leaves a root with interrupts off, so that it only
/// puts the root into this list. The next processor that creates or destroys a space, or activates
/// one with interrupts on, releases the pages.
enum RetiredRoots {
  private static let lock = SpinLock()
  /// The first root, all of them linked by their metadata. Access: under the lock.
  nonisolated(unsafe) private static var first: FrameSlotReference?
  /// Access: atomic; written under the lock.
  private static let count = Atomic<Int>(0)

  /// Empties the list without releasing anything. Called when the kernel space is started, before
  /// there are address spaces.
  static func reset() {
    // SAFETY: nothing else runs.
    unsafe first = nil
    // Ordering: relaxed; nothing else runs.
    count.store(0, ordering: .relaxed)
  }

  /// Drops a reference to `root`. With the last one, releases the root if it maps no pages, and
  /// adds it to the list otherwise.
  static func drop(_ root: PageTableNode) {
    guard root.slot.drop() else { return }
    if root.presentCount == 0 { return NodePool.free(root) }
    let interrupts = lock.lock()
    // SAFETY: under the lock, and nothing else refers to the root.
    unsafe root.next = first
    // SAFETY: under the lock.
    unsafe first = root.slot
    // Ordering: relaxed; a hint for `releaseAll`.
    count.wrappingAdd(1, ordering: .relaxed)
    lock.unlock(interrupts)
  }

  /// Releases what the roots in the list map. May take long.
  @inline(__always)
  static func releaseAll() {
    // Ordering: relaxed; a root that is missed now is released later.
    if count.load(ordering: .relaxed) != 0 { releaseAllSlow() }
  }

  @inline(never)
  private static func releaseAllSlow() {
    while let root = pop() { NodePool.free(root) }
  }

  private static func pop() -> PageTableNode? {
    let interrupts = lock.lock()
    defer { lock.unlock(interrupts) }
    // SAFETY: under the lock.
    guard let slot = unsafe first else { return nil }
    // SAFETY: every frame in the list is a node, which nothing else refers to.
    let root = unsafe PageTableNode(at: slot.address)
    // SAFETY: under the lock.
    unsafe first = root.next
    root.next = nil
    // Ordering: relaxed; see `drop`.
    count.wrappingSubtract(1, ordering: .relaxed)
    return root
  }
}
