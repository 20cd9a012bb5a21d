internal import TesseraFrames
internal import TesseraHardware

/// Frames and nodes that were unmapped and whose references are dropped only after the TLB flush.
///
/// Contiguous frames are kept as a run, which costs nothing. A short run that has come to its end
/// is taken apart: a frame with no other owner is made unique and put into a list linked through
/// the slots, so there is room for any number of them. Long runs, and frames with other owners, go
/// to a small table, if one is free.
///
/// Destroying this drops the references, and frees what has no other owner.
public struct DeferredFrames: ~Copyable {
  /// The last frames that were added.
  private var run: FrameRun?
  private var chain: FrameSlotReference?
  private var nodes: FrameSlotReference?
  /// Acquired when first needed: most cursors unmap no more than one run.
  private var table = DeferredRunTable.none

  @inline(__always)
  init() {}

  // Nothing else is deferred if there is no run.
  @inline(__always)
  var isEmpty: Bool { run == nil && nodes == nil }

  /// Runs of at most this many frames are taken apart.
  private static var shortRun: Int { 8 }

  /// Adds the frame of `slot`, whose reference the caller gives up, if it is the first one or is
  /// contiguous with the last. Returns whether it was added.
  @inline(__always)
  mutating func extend(by slot: FrameSlotReference) -> Bool {
    if run == nil {
      run = FrameRun(slot)
      return true
    }
    return run?.append(slot) == true
  }

  /// Makes room for another run. Returns false if there is none, and everything must be freed.
  mutating func makeRoom() -> Bool {
    guard let ended = run else { return true }
    run = ended.frameCount <= Self.shortRun ? takeApart(ended) : keep(ended) ? nil : ended
    return run == nil
  }

  /// Puts each frame of `run` into the list or the table. Returns those for which there was no
  /// room.
  private mutating func takeApart(_ run: FrameRun) -> FrameRun? {
    var rest: FrameRun?
    run.forEachSlot { slot in
      if rest?.append(slot) == true { return }
      if slot.makeUnique() {
        slot.deferredLink = chain
        chain = slot
      } else if !keep(FrameRun(slot)) {
        rest = FrameRun(slot)
      }
    }
    return rest
  }

  /// Drops the references of all runs, after a flush, so that there is room again. Frames that are
  /// left without an owner are added to the list, and freed with it.
  ///
  /// The frames of the list stay: it always has room, and what frees them may take long, call
  /// functions of the kernel, and must not be done with a node locked.
  mutating func dropRuns() {
    if let ended = run.take() { dropReferences(of: ended) }
    if table.isNone { return }
    var full = table
    full.removeAll { dropReferences(of: $0) }
    table = full
  }

  private mutating func dropReferences(of run: FrameRun) {
    run.dropReferences { slot in
      slot.deferredLink = chain
      chain = slot
    }
  }

  /// Puts `run` into the table. Returns whether there was room.
  private mutating func keep(_ run: FrameRun) -> Bool {
    if table.isNone { table = DeferredRunTable.take() }
    return table.add(run)
  }

  /// Adds `node`.
  mutating func add(_ node: consuming DetachedNode) {
    let slot = node.relinquishSlot()
    // SAFETY: the slot is a detached node's, which belongs to this list from here on.
    unsafe PageTableNode(at: slot.address).next = nodes
    nodes = slot
  }

  @inline(__always)
  deinit {
    if let run { Self.release(run, chain, table) }
    if let nodes { Self.releaseNodes(nodes) }
  }

  // Not methods: a method would be passed a copy of all this when its owner is destroyed.

  @inline(never)
  private static func release(
    _ run: FrameRun, _ chain: FrameSlotReference?, _ table: DeferredRunTable
  ) {
    // The common case; the others are apart so that it saves no registers for them.
    guard chain == nil && table.isNone, let slot = run.only else {
      return releaseSeveral(run, chain, table)
    }
    // SAFETY: the run held this reference, of the compound frame if this is a tail of one.
    _ = unsafe AnyFrame(adopting: slot.head)
  }

  @inline(never)
  private static func releaseSeveral(
    _ run: FrameRun, _ chain: FrameSlotReference?, _ table: DeferredRunTable
  ) {
    run.dropReferences()
    if let chain { releaseChain(chain) }
    if !table.isNone { table.release() }
  }

  @inline(never)
  private static func releaseChain(_ first: FrameSlotReference) {
    var next: FrameSlotReference? = first
    while let slot = next {
      next = slot.removeDeferredLink()
      slot.retire()
    }
  }

  @inline(never)
  private static func releaseNodes(_ first: FrameSlotReference) {
    var next: FrameSlotReference? = first
    while let slot = next {
      // SAFETY: the list holds detached nodes, each with the reference that its entry had.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      node.next = nil
      NodePool.release(node)
    }
  }
}
