internal import TesseraFrames
internal import TesseraHardware

/// Frames and nodes that have been unmapped and wait for the flush.
///
/// Frames that follow each other are kept as a run, which costs nothing. A short run that has come
/// to its end is taken apart: a frame with no other owner is made unique and goes into a chain
/// through its slot, so there is room for any number of them. Long runs, and frames with other
/// owners, are kept in a small table.
struct HeldFrames: ~Copyable {
  /// The last frames that came.
  private var run: FrameRun?
  private var chain: FrameSlotReference?
  private var nodes: FrameSlotReference?
  /// Made when it is first needed: most cursors hold no more than one run.
  private var table: RunTable?

  var isEmpty: Bool { run == nil && chain == nil && nodes == nil && table == nil }
  var holdsNodes: Bool { nodes != nil }

  /// Whether the next frame may find no room.
  var isFull: Bool {
    guard let table else { return false }
    return table.count > RunTable.capacity - Self.shortRun
  }

  /// Runs of at most so many frames are taken apart.
  private static var shortRun: Int { 8 }

  /// Holds the count of the frame of `slot`, which the caller gives up, if the frame follows the
  /// last one. Says whether it does.
  @inline(__always)
  mutating func extend(by slot: FrameSlotReference) -> Bool { run?.extend(by: slot) == true }

  /// Holds the count of the frame of `slot`, which the caller gives up. There is room.
  mutating func add(_ slot: FrameSlotReference) {
    if let ended = run { putAway(ended) }
    run = FrameRun(slot)
  }

  /// Makes room for another run.
  private mutating func putAway(_ run: FrameRun) {
    guard run.frameCount <= Self.shortRun else { return keep(run) }
    run.forEachSlot { slot in
      if slot.reclaim() {
        slot.setListIdentifier(FrameChain.word(for: chain))
        chain = slot
      } else {
        keep(FrameRun(slot))
      }
    }
  }

  private mutating func keep(_ run: FrameRun) {
    var changed = table.take() ?? RunTable(repeating: run)
    changed.add(run)
    table = changed
  }

  /// Holds the count of the detached `node`.
  mutating func add(_ node: PageTableNode) {
    node.next = nodes
    nodes = node.slot
  }

  /// Lets go of everything. Comes last: what is held stays written down.
  borrowing func release() {
    if let run { run.release() }
    if chain != nil || table != nil { releaseRest() }
    if nodes != nil { releaseNodes() }
  }

  @inline(never)
  private borrowing func releaseRest() {
    var next = chain
    while let slot = next {
      next = FrameChain.next(of: slot)
      slot.setListIdentifier(0)
      slot.retire()
    }
    if let table { table.release() }
  }

  @inline(never)
  private borrowing func releaseNodes() {
    var next = nodes
    while let slot = next {
      // SAFETY: the chain holds detached nodes, each with the count that its entry had.
      let node = unsafe PageTableNode(at: slot.address)
      next = node.next
      node.next = nil
      PageTableNodePool.release(node)
    }
  }
}

/// Runs that wait.
private struct RunTable {
  private var runs: InlineArray<16, FrameRun>
  private(set) var count = 0

  static var capacity: Int { 16 }

  /// No runs. The places hold `run`, because they must hold something.
  init(repeating run: FrameRun) { runs = InlineArray(repeating: run) }

  /// Adds `run`. There is room.
  mutating func add(_ run: FrameRun) {
    runs[count] = run
    count += 1
  }

  func release() {
    for index in 0..<count { runs[index].release() }
  }
}

/// A chain of unique frames, through the word of their slots that says which list they are in.
///
/// An odd number is a link, and no list's identifier: those are even.
private enum FrameChain {
  /// What the slot before `next` says.
  @inline(__always)
  static func word(for next: FrameSlotReference?) -> UInt64 {
    guard let next else { return 1 }
    return FrameTable.number(of: next) << 1 &+ 3
  }

  @inline(__always)
  static func next(of slot: FrameSlotReference) -> FrameSlotReference? {
    let word = slot.listIdentifier
    return word == 1 ? nil : FrameTable.slot(number: (word &- 3) >> 1)
  }
}
