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
  // SAFETY: records of zeros ask for nothing and wait for nothing; their words are atomic.
  private static let requests = unsafe PerProcessor<ShootdownRequest>()
  // SAFETY: as above.
  private static let pendingFrom = unsafe PerProcessor<PendingFrom>()
  // SAFETY: as above.
  private static let waitingFor = unsafe PerProcessor<WaitingFor>()

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
    for group in 0..<groupCount {
      // Ordering: relaxed; the exchange that follows does the ordering.
      if pendingFrom[here].groups[group].load(ordering: .relaxed) != 0 { answer(group, here) }
    }
  }

  /// The number of groups of processors that may have been started: 1 on most machines.
  @inline(__always)
  private static var groupCount: Int {
    max(1, ProcessorSet.groupCount(of: FrameAllocator.processorCount))
  }
}

extension TLBShootdown {
  /// Stands for the kernel's tables, which are in every root.
  static var everyRoot: UInt64 { .max }

  /// Whether there is one group of processors.
  @inline(__always)
  static var hasOneGroup: Bool { FrameAllocator.processorCount <= ProcessorSet.groupSize }

  /// Flushes `pages` of the tables under the root at `root`, which `change` has made stale, on the
  /// processors that run on it. With several processors configured.
  ///
  /// The caller stays on this processor. Returns once all of them have done so.
  @inline(never)
  static func flush(_ pages: FlushedPages, of root: PhysicalAddress, _ change: RootChange) {
    let here = Processor.current
    let isAsked = ask(for: pages, of: root.rawValue, change, here)
    let isHere =
      ProcessorSet.group(of: here) == 0
      ? change.processors.contains(here) : ActiveRoots.isActive(root, on: here)
    if isHere {
      flushHere(pages, alsoGlobal: false, here)
      if ProcessContexts.areUsed { ProcessContexts.noteFlushed(change, of: root, here: here) }
    }
    if isAsked { waitForAnswers(here) }
  }

  /// Flushes kernel `pages` on all processors. Otherwise as `flush`.
  @inline(never)
  static func flushKernel(_ pages: FlushedPages) {
    // The entries leave the store buffer before it is read who answers.
    // Ordering: sequentially consistent, pairs with `ActiveRoots.add`.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    let here = Processor.current
    let isAsked = ask(for: pages, of: everyRoot, RootChange(), here)
    flushHere(pages, alsoGlobal: true, here)
    if isAsked { waitForAnswers(here) }
  }

  /// Flushes `pages` on this processor, whose number is `here`.
  @inline(__always)
  static func flushHere(_ pages: FlushedPages, alsoGlobal: Bool, _ here: Int) {
    if !FlushSwitch.isOff { pages.invalidate(alsoGlobal: alsoGlobal, here: here) }
  }

  /// Makes a version that no root has had. The caller stays on this processor.
  @inline(__always)
  static func makeVersion() -> UInt64 {
    let here = Processor.current
    // Ordering: relaxed, this and the next; only this processor uses it.
    let count = requests[here].versionCount.load(ordering: .relaxed) &+ 1
    // Ordering: relaxed; see above.
    requests[here].versionCount.store(count, ordering: .relaxed)
    return count << 9 | UInt64(truncatingIfNeeded: here)
  }

  /// As `makeVersion`, with preemption on.
  static func makeVersionSafely() -> UInt64 {
    let interrupts = Processor.disableInterrupts()
    defer { Processor.restoreInterrupts(interrupts) }
    return makeVersion()
  }
}

// Asking.
extension TLBShootdown {
  /// Sends a request to the other processors that run on the tables under `root`, or that answer,
  /// if it is `everyRoot`. Returns whether there are any.
  private static func ask(
    for pages: FlushedPages, of root: UInt64, _ change: RootChange, _ here: Int
  ) -> Bool {
    if FlushSwitch.isOff || FlushSwitch.isOffElsewhere { return false }
    var isAsked = false
    for group in 0..<groupCount {
      var others =
        root == everyRoot
        ? ActiveRoots.answeringProcessors(group: group)
        : group == 0 ? change.processors : ActiveRoots.processors(on: root, group: group)
      if group == ProcessorSet.group(of: here) { others.remove(here) }
      if others.isEmpty { continue }
      if !isAsked { write(pages, of: root, change, to: requests[here]) }
      isAsked = true
      send(to: others, group, here)
    }
    return isAsked
  }

  /// Writes a request, which is published with the bits in `pendingFrom`.
  private static func write(
    _ pages: FlushedPages, of root: UInt64, _ change: RootChange,
    to request: borrowing ShootdownRequest
  ) {
    // Ordering: relaxed, all of them; see above.
    request.root.store(root, ordering: .relaxed)
    // Ordering: relaxed; see above.
    request.range.store(pages.range.word, ordering: .relaxed)
    // Ordering: relaxed; see above.
    request.earlierRange.store(pages.earlierRange.word, ordering: .relaxed)
    // Ordering: relaxed; see above.
    request.oldVersion.store(change.oldVersion, ordering: .relaxed)
    // Ordering: relaxed; see above.
    request.newVersion.store(change.newVersion, ordering: .relaxed)
  }

  /// Sends the request of this processor to `others`, of `group`.
  private static func send(to others: ProcessorSet, _ group: Int, _ here: Int) {
    // Ordering: relaxed; published with the bits in `pendingFrom`.
    waitingFor[here].groups[group].store(others.rawValue, ordering: .relaxed)
    let ownGroup = ProcessorSet.group(of: here)
    var idle = ProcessorSet()
    others.visit(group: group) { other in
      // Ordering: releasing, pairs with the exchange in `answer`: who takes the bit sees the
      // request. Acquiring, so that it is sent before this processor goes on.
      let old = pendingFrom[other].groups[ownGroup].bitwiseOr(
        ProcessorSet(here).rawValue, ordering: .acquiringAndReleasing
      ).oldValue
      // One that has others of this group to answer has been interrupted already.
      if old == 0 { idle.insert(other) }
    }
    FlushStatistics.countRequest(to: others.count, interrupts: idle.count)
    if !idle.isEmpty { Processor.interrupt(idle, group: group) }
  }

  /// Waits until all have answered. Answers others meanwhile.
  private static func waitForAnswers(_ here: Int) {
    // SAFETY: written while nothing else runs.
    var looksLeft = unsafe patience
    for group in 0..<groupCount {
      while true {
        // Ordering: acquiring, pairs with the releasing exchange in `answer`: their translations
        // are gone.
        let missing = ProcessorSet(
          rawValue: waitingFor[here].groups[group].load(ordering: .acquiring))
        if missing.isEmpty { break }
        missing.visit(group: group) { withdraw(from: $0, here) }
        serve()
        Processor.pause()
        looksLeft &-= 1
        if looksLeft == 0 { giveUp(on: missing, group) }
      }
    }
  }

  private static func giveUp(on missing: ProcessorSet, _ group: Int) -> Never {
    let number = group * ProcessorSet.groupSize + missing.rawValue.trailingZeroBitCount
    panic(
      "a processor does not answer a request to flush its TLB; its number is", at: UInt64(number))
  }

  /// Takes the request of this processor back from `other`, if that has been stopped, and does not
  /// answer.
  private static func withdraw(from other: Int, _ here: Int) {
    if ActiveRoots.answers(other) { return }
    // Ordering: acquiring and releasing, pairs with the exchange in `answer`: either the request
    // is taken there, and answered, or it is never seen.
    let old = pendingFrom[other].groups[ProcessorSet.group(of: here)].bitwiseAnd(
      ~ProcessorSet(here).rawValue, ordering: .acquiringAndReleasing
    ).oldValue
    guard ProcessorSet(rawValue: old).contains(here) else { return }
    // Ordering: relaxed; no other processor clears this bit any more.
    waitingFor[here].groups[ProcessorSet.group(of: other)].bitwiseAnd(
      ~ProcessorSet(other).rawValue, ordering: .relaxed)
  }
}

// Answering.
extension TLBShootdown {
  /// Carries out the requests of the processors of `group` to this one.
  @inline(never)
  private static func answer(_ group: Int, _ here: Int) {
    // Ordering: acquiring, pairs with the bits set in `send`; releasing, so that what a second
    // request finds unset was taken before.
    let askers = ProcessorSet(
      rawValue: pendingFrom[here].groups[group].exchange(0, ordering: .acquiringAndReleasing))
    flush(whatIsAskedBy: askers, group, here)
    askers.visit(group: group) { asker in
      // Ordering: releasing, pairs with the load in `waitForAnswers`.
      waitingFor[asker].groups[ProcessorSet.group(of: here)].bitwiseAnd(
        ~ProcessorSet(here).rawValue, ordering: .releasing)
    }
  }

  /// Flushes on this processor what any of `askers`, of `group`, asks for, everything at most once.
  /// The caller has taken their bits.
  private static func flush(whatIsAskedBy askers: ProcessorSet, _ group: Int, _ here: Int) {
    let root = Processor.rootAddress
    var isFull = false
    var isGlobal = false
    askers.visit(group: group) { asker in
      let request = Request(requests[asker])
      guard request.concerns(root), request.pages.isEverything else { return }
      isFull = true
      if request.isGlobal { isGlobal = true }
    }
    if isFull { FlushedPages.everything.invalidate(alsoGlobal: isGlobal, here: here) }
    askers.visit(group: group) { asker in
      let request = Request(requests[asker])
      guard request.concerns(root) else { return }
      let isDone = isGlobal || isFull && !request.isGlobal
      if !isDone { request.pages.invalidate(alsoGlobal: false, here: here) }
      if !request.isGlobal && ProcessContexts.areUsed {
        ProcessContexts.noteFlushed(request.change, of: root, here: here)
      }
    }
  }

  /// What a processor asks for.
  private struct Request {
    let pages: FlushedPages
    let change: RootChange
    private let root: UInt64

    init(_ request: borrowing ShootdownRequest) {
      // Ordering: relaxed, all of them; ordered by the exchange in `answer`.
      root = request.root.load(ordering: .relaxed)
      // Ordering: relaxed; see above.
      let range = PendingRange(word: request.range.load(ordering: .relaxed))
      // Ordering: relaxed; see above.
      let earlierRange = PendingRange(word: request.earlierRange.load(ordering: .relaxed))
      pages = FlushedPages(range, earlierRange)
      // Ordering: relaxed; see above.
      let oldVersion = request.oldVersion.load(ordering: .relaxed)
      // Ordering: relaxed; see above.
      let newVersion = request.newVersion.load(ordering: .relaxed)
      change = RootChange(oldVersion: oldVersion, newVersion: newVersion)
    }

    /// Whether the pages are the kernel's.
    var isGlobal: Bool { root == everyRoot }

    /// Whether a processor that runs on the root at `current` may use translations of the pages.
    /// One that has left the space has flushed everything with the load of another root, or will
    /// flush what it keeps before it uses that.
    func concerns(_ current: PhysicalAddress) -> Bool { isGlobal || root == current.rawValue }
  }
}

// Which processors there are.
extension TLBShootdown {
  /// Adds the calling processor to those that are asked when kernel pages change. From then on it
  /// has to answer.
  @export(interface)
  package static func addProcessor() {
    ActiveRoots.add(Processor.current)
    // What it may have cached before.
    Processor.invalidateAll(alsoGlobal: true)
    // Others may have asked the processor that had this number before, and that had stopped: the
    // interrupt was lost, and no other is sent while a request is pending.
    serve()
  }

  /// Removes the calling processor, which runs on the kernel's root, from those that are asked.
  /// Those that have asked it already find out, and wait no longer.
  @export(interface)
  package static func removeProcessor() { ActiveRoots.remove(Processor.current) }

  /// Forgets all processors and all requests. Called while no other processor runs.
  ///
  /// From then on, the frame allocator asks other processors for the frames in their caches.
  @export(interface)
  package static func reset() {
    FrameAllocator.askOthers(by: { TLBShootdown.interruptAnswering($0, group: $1) })
    ActiveRoots.reset()
    for processor in 0..<max(1, FrameAllocator.processorCount) {
      for group in 0..<groupCount {
        // Ordering: relaxed, this and the next; nothing else runs.
        pendingFrom[processor].groups[group].store(0, ordering: .relaxed)
        // Ordering: relaxed; see above.
        waitingFor[processor].groups[group].store(0, ordering: .relaxed)
      }
    }
  }

  /// Interrupts those of `processors`, a bit for each of `group`, that answer. Returns them.
  private static func interruptAnswering(_ processors: UInt64, group: Int) -> UInt64 {
    let answering = ActiveRoots.answeringProcessors(group: group)
    let reached = ProcessorSet(rawValue: processors & answering.rawValue)
    if !reached.isEmpty { Processor.interrupt(reached, group: group) }
    return reached.rawValue
  }

  /// Makes a processor that waits give up after `count` looks. For tests, while nothing else runs.
  package static func setPatience(_ count: UInt64) {
    // SAFETY: nothing else runs.
    unsafe patience = count
  }
}
