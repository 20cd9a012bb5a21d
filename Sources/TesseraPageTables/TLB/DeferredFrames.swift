internal import TesseraFrames
internal import TesseraHardware

/// Frames and nodes that have been unmapped and wait for the flush.
///
/// Frames that follow each other are kept as a run, which costs nothing. A short run that has come
/// to its end is taken apart: a frame with no other owner is made unique and goes into a chain
/// through its slot, so there is room for any number of them. Long runs, and frames with other
/// owners, are kept in a small table, if there is one left.
struct DeferredFrames: ~Copyable {
  /// The last frames that came.
  private var run: FrameRun?
  private var chain: FrameSlotReference?
  private var nodes: FrameSlotReference?
  /// Taken when it is first needed: most cursors hold no more than one run.
  private var table = DeferredRunTable.none

  // Nothing else is held where there is no run.
  @inline(__always)
  var isEmpty: Bool { run == nil && nodes == nil }
  var holdsNodes: Bool { nodes != nil }

  /// Runs of at most so many frames are taken apart.
  private static var shortRun: Int { 8 }

  /// Holds the count of the frame of `slot`, which the caller gives up, if the frame is the first
  /// or follows the last one. Says whether it does.
  @inline(__always)
  mutating func extend(by slot: FrameSlotReference) -> Bool {
    if run == nil {
      run = FrameRun(slot)
      return true
    }
    return run?.append(slot) == true
  }

  /// Makes room for another run. Says whether there is: if not, everything must be let go.
  mutating func makeRoom() -> Bool {
    guard let ended = run else { return true }
    run = ended.frameCount <= Self.shortRun ? takeApart(ended) : keep(ended) ? nil : ended
    return run == nil
  }

  /// Puts each frame of `run` into the chain or the table. Returns those for which there was no
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

  /// Puts `run` into the table. Says whether there was room.
  private mutating func keep(_ run: FrameRun) -> Bool {
    if table.isNone { table = DeferredRunTable.take() }
    return table.add(run)
  }

  /// Holds the count of the detached `node`.
  mutating func add(_ node: PageTableNode) {
    node.next = nodes
    nodes = node.slot
  }

  /// Lets go of everything. Comes last: what is held stays written down.
  @inline(__always)
  borrowing func release() {
    if let run { Self.release(run, chain, table) }
    if let nodes { Self.releaseNodes(nodes) }
  }

  // Not methods: what a method of this is called on is copied for it when the owner is destroyed.

  @inline(never)
  private static func release(
    _ run: FrameRun, _ chain: FrameSlotReference?, _ table: DeferredRunTable
  ) {
    if let slot = run.only {
      // SAFETY: the run held this count, of the larger frame if this is a part of one.
      _ = unsafe AnyFrame(adopting: slot.head)
    } else {
      run.dropReferences()
    }
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
      // SAFETY: the chain holds detached nodes, each with the count that its entry had.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      node.next = nil
      NodePool.release(node)
    }
  }
}
