internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The flush of translations on all processors that may have cached them.
///
/// A processor that has changed entries asks the others by way of records in memory, interrupts
/// them, flushes its own TLB, and waits until each of them has answered. It keeps its node locks
/// meanwhile, so that whoever changes or reads these pages next finds no stale translation either.
///
///     ask       request written, own bit set for each processor asked, interrupt sent
///     answer    bits taken, TLB flushed, and then own bit cleared for the processor that asked
///
/// Two processors may ask each other at once, with interrupts off. So everything in Tessera that
/// waits answers meanwhile, by `serve()`: for an answer, or for the lock of a node. Other locks are
/// held only where nothing is waited for.
///
/// Nothing here allocates, no queue can be full, and a request is not written over: each processor
/// has one, and waits for all answers before it writes another.
public enum TLBShootdown {
  // SAFETY: a record of zeros asks for nothing and waits for nothing; its words are atomic.
  private static let records = unsafe PerProcessor<ShootdownRecord>()

  /// The processors that have been started, a bit each.
  ///
  /// Access: atomic.
  private static let started = Atomic<UInt64>(0)

  /// How often a processor that waits looks for an answer before it gives up: for minutes.
  ///
  /// Access: written by a test, while nothing else runs.
  nonisolated(unsafe) private static var patience: UInt64 = 1 << 31

  /// Answers the requests of other processors, if there are any: flushes, and lends them the free
  /// frames of this processor's cache. To be called by the handler of the
  /// interrupt that `tessera_host_interrupt` sends, and by a loop of the kernel that waits with
  /// interrupts off.
  ///
  /// Takes no lock and waits for nothing. May be called anywhere on a started processor.
  // Interface only: a module that got a copy of the code would have room for the records, too.
  @export(interface)
  public static func serve() {
    answerFlushes()
    FrameAllocator.lendCache()
  }

  /// Answers the requests to flush.
  @inline(__always)
  package static func answerFlushes() {
    let here = Processor.current
    // Ordering: relaxed; the exchange that follows does the ordering.
    if records[here].pendingFrom.load(ordering: .relaxed) != 0 { answer(here) }
  }
}

/// What a processor asks others to flush, and who asks it.
///
/// Access: atomic, all of it. The request is written by its processor while it waits for no other.
private struct ShootdownRecord: ~Copyable {
  /// The processors whose requests this one has to answer.
  let pendingFrom: Atomic<UInt64>
  /// The processors that have not answered the request.
  let waitingFor: Atomic<UInt64>
  /// The root whose tables have changed, or `everyRoot`.
  let root: Atomic<UInt64>
  /// The pages, as in a `PendingRange`.
  let range: Atomic<UInt64>
  let earlierRange: Atomic<UInt64>
}

extension TLBShootdown {
  /// The processors that have been started. They see what this processor has written before,
  /// unless they are among them.
  static var startedProcessors: ProcessorSet {
    // Ordering: sequentially consistent, pairs with `addProcessor`; an exchange, so that the
    // entries leave the store buffer before the set is read.
    let bits = started.bitwiseOr(0, ordering: .sequentiallyConsistent).oldValue
    return ProcessorSet(rawValue: bits)
  }

  /// Stands for the kernel's tables, which are in every root.
  static var everyRoot: UInt64 { .max }

  /// Flushes `pages` of the tables under the root at `root`, or of the kernel if that is
  /// `everyRoot`, on `processors`. Kernel pages are flushed on this processor in any case.
  ///
  /// The caller has written the entries, and stays on this processor. Returns once all have done
  /// so.
  @inline(never)
  static func flush(_ pages: FlushedPages, on processors: ProcessorSet, root: UInt64) {
    let here = Processor.current
    let isOff = FlushSwitch.isOff || FlushSwitch.isOffElsewhere
    let others = isOff ? ProcessorSet() : processors.removing(here)
    if !others.isEmpty { ask(others, for: pages, of: root, here) }
    let isGlobal = root == everyRoot
    if isGlobal || processors.contains(here) { flushHere(pages, alsoGlobal: isGlobal) }
    if !others.isEmpty { waitForAnswers(here) }
  }

  /// Flushes `pages` on this processor.
  @inline(__always)
  static func flushHere(_ pages: FlushedPages, alsoGlobal: Bool) {
    if !FlushSwitch.isOff { pages.invalidate(alsoGlobal: alsoGlobal) }
  }

  /// Sends the request of this processor to `others`.
  private static func ask(
    _ others: ProcessorSet, for pages: FlushedPages, of root: UInt64, _ here: Int
  ) {
    // Ordering: relaxed; published with the bits in `pendingFrom`.
    records[here].root.store(root, ordering: .relaxed)
    // Ordering: relaxed; as above.
    records[here].range.store(pages.range.word, ordering: .relaxed)
    // Ordering: relaxed; as above.
    records[here].earlierRange.store(pages.earlierRange.word, ordering: .relaxed)
    // Ordering: relaxed; as above.
    records[here].waitingFor.store(others.rawValue, ordering: .relaxed)
    var idle = ProcessorSet()
    others.visit { other in
      // Ordering: releasing, pairs with the exchange in `answer`: who takes the bit sees the
      // request. Acquiring, so that it is sent before this processor goes on.
      let old = records[other].pendingFrom.bitwiseOr(
        ProcessorSet(here).rawValue, ordering: .acquiringAndReleasing
      ).oldValue
      // One that has others to answer has been interrupted already.
      if old == 0 { idle.insert(other) }
    }
    FlushStatistics.countRequest(to: others.count, interrupts: idle.count)
    if !idle.isEmpty { Processor.interrupt(idle) }
  }

  /// Waits until all have answered. Answers others meanwhile.
  private static func waitForAnswers(_ here: Int) {
    // SAFETY: written while nothing else runs.
    var looksLeft = unsafe patience
    while true {
      // Ordering: acquiring, pairs with the releasing exchange in `answer`: their translations are
      // gone.
      let missing = ProcessorSet(
        rawValue: records[here].waitingFor.load(ordering: .acquiring))
      if missing.isEmpty { return }
      withdraw(from: missing, here)
      serve()
      Processor.pause()
      looksLeft &-= 1
      if looksLeft == 0 {
        panic(
          "a processor does not answer a request to flush its TLB; its number is",
          at: UInt64(missing.rawValue.trailingZeroBitCount))
      }
    }
  }

  /// Takes the request of this processor back from those of `missing` that have been stopped, and
  /// do not answer.
  private static func withdraw(from missing: ProcessorSet, _ here: Int) {
    // Ordering: acquiring, pairs with `removeProcessor`: what a stopped processor has read through
    // its translations, it has read before.
    let running = started.load(ordering: .acquiring)
    ProcessorSet(rawValue: missing.rawValue & ~running).visit { other in
      // Ordering: acquiring and releasing, pairs with the exchange in `answer`: either the request
      // is taken there, and answered, or it is never seen.
      let old = records[other].pendingFrom.bitwiseAnd(
        ~ProcessorSet(here).rawValue, ordering: .acquiringAndReleasing
      ).oldValue
      guard ProcessorSet(rawValue: old).contains(here) else { return }
      // Ordering: relaxed; no other processor clears this bit any more.
      records[here].waitingFor.bitwiseAnd(~ProcessorSet(other).rawValue, ordering: .relaxed)
    }
  }

  /// Carries out the requests to this processor.
  @inline(never)
  private static func answer(_ here: Int) {
    // Ordering: acquiring, pairs with the bits set in `ask`; releasing, so that what a second
    // request finds unset was taken before.
    let askers = records[here].pendingFrom.exchange(0, ordering: .acquiringAndReleasing)
    flush(whatIsAskedBy: ProcessorSet(rawValue: askers))
    ProcessorSet(rawValue: askers).visit { asker in
      // Ordering: releasing, pairs with the load in `waitForAnswers`.
      records[asker].waitingFor.bitwiseAnd(~ProcessorSet(here).rawValue, ordering: .releasing)
    }
  }

  /// Flushes on this processor what any of `askers` asks for, everything at most once. The caller
  /// has taken their bits.
  private static func flush(whatIsAskedBy askers: ProcessorSet) {
    let root = Processor.rootAddress.rawValue
    var isFull = false
    var isGlobal = false
    askers.visit { asker in
      let request = Request(records[asker])
      guard request.concerns(root), request.pages.isEverything else { return }
      isFull = true
      if request.isGlobal { isGlobal = true }
    }
    if isFull { FlushedPages.everything.invalidate(alsoGlobal: isGlobal) }
    askers.visit { asker in
      let request = Request(records[asker])
      let isDone = isGlobal || isFull && !request.isGlobal
      if request.concerns(root) && !isDone { request.pages.invalidate(alsoGlobal: false) }
    }
  }

  /// What a record asks for.
  private struct Request {
    let pages: FlushedPages
    private let root: UInt64

    init(_ record: borrowing ShootdownRecord) {
      // Ordering: relaxed, all three; ordered by the exchange in `answer`.
      root = record.root.load(ordering: .relaxed)
      // Ordering: relaxed; see above.
      let range = PendingRange(word: record.range.load(ordering: .relaxed))
      // Ordering: relaxed; see above.
      let earlierRange = PendingRange(word: record.earlierRange.load(ordering: .relaxed))
      pages = FlushedPages(range, earlierRange)
    }

    /// Whether the pages are the kernel's.
    var isGlobal: Bool { root == everyRoot }

    /// Whether a processor that runs on the root at `current` may have translations of the pages.
    /// One that has left the space has flushed everything with the load of another root.
    func concerns(_ current: UInt64) -> Bool { isGlobal || root == current }
  }
}

// Which processors there are.
extension TLBShootdown {
  /// Adds the calling processor to those that are asked when kernel pages change. From then on it
  /// has to answer.
  @export(interface)
  package static func addProcessor() {
    let bit = ProcessorSet(Processor.current).rawValue
    // Ordering: sequentially consistent, pairs with `startedProcessors`: either a writer of entries
    // sees this processor, or it sees the entries.
    started.bitwiseOr(bit, ordering: .sequentiallyConsistent)
    // What it may have cached before.
    Processor.invalidateAll(alsoGlobal: true)
    // Others may have asked the processor that had this number before, and that had stopped: the
    // interrupt was lost, and no other is sent while a request is pending.
    serve()
  }

  /// Removes the calling processor, which runs on the kernel's root, from those that are asked.
  /// Those that have asked it already find out, and wait no longer.
  @export(interface)
  package static func removeProcessor() {
    let here = ProcessorSet(Processor.current)
    // Ordering: releasing, pairs with the load in `withdraw`.
    started.bitwiseAnd(~here.rawValue, ordering: .releasing)
  }

  /// Forgets all processors and all requests. Called while no other processor runs.
  ///
  /// From then on, the frame allocator asks other processors for the frames in their caches.
  @export(interface)
  package static func reset() {
    FrameAllocator.askOthers(by: { TLBShootdown.interruptStarted($0) })
    // Ordering: relaxed, this and the two that follow; nothing else runs.
    started.store(0, ordering: .relaxed)
    for processor in 0..<ProcessorSet.capacity {
      // Ordering: relaxed; see above.
      records[processor].pendingFrom.store(0, ordering: .relaxed)
      // Ordering: relaxed; see above.
      records[processor].waitingFor.store(0, ordering: .relaxed)
    }
  }

  /// Interrupts those of `processors`, a bit for each, that have been started. Returns them.
  private static func interruptStarted(_ processors: UInt64) -> UInt64 {
    let reached = ProcessorSet(rawValue: processors & startedProcessors.rawValue)
    if !reached.isEmpty { Processor.interrupt(reached) }
    return reached.rawValue
  }

  /// Makes a processor that waits give up after `count` looks. For tests, while nothing else runs.
  package static func setPatience(_ count: UInt64) {
    // SAFETY: nothing else runs.
    unsafe patience = count
  }
}
