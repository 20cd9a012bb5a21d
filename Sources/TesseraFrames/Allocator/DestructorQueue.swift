internal import Synchronization
internal import TesseraHardware

/// Runs the destructors of frames, one at a time on each processor.
///
/// A destructor may drop the last reference to another frame, whose destructor may do the same, and
/// so on. Were each called by the one before, a chain of frames would overflow any stack. So a
/// frame that is dropped by a destructor waits, in a list linked through the slots, until that
/// returns: the outermost drop destroys and frees the frames that wait, one after another, before
/// it returns itself.
///
/// Interrupts are off while a destructor runs, so that neither an interrupt handler nor another
/// thread can come in between: a frame that finds a destructor running on its processor was dropped
/// by that destructor, and no other thread has to wait for it. Between two destructors, they are as
/// the outermost drop found them.
enum DestructorQueue {
  // SAFETY: zero bytes are an idle processor, and other processors do not read it.
  private static let states = unsafe PerProcessor<DestructorState>()

  /// Destroys the metadata of `slot`, which only the caller owns. Returns the frame's kind; the
  /// caller then frees the frame.
  ///
  /// If a destructor drops the frame, returns nil instead: the frame is destroyed and freed later.
  // Kept out of the modules that call it: each would have the states once more, to no use.
  @export(interface)
  static func destroyMetadata(of slot: FrameSlotReference) -> FrameKind? {
    let interrupts = Processor.disableInterrupts()
    let isNested = push(slot, unlessIdle: states[Processor.current].word)
    if isNested {
      Processor.restoreInterrupts(interrupts)
      return nil
    }
    let (kind, waiting) = run(slot, states[Processor.current].word)
    Processor.restoreInterrupts(interrupts)
    if let waiting { destroyAll(waiting) }
    return kind
  }

  /// Destroys and frees the frames of the list that begins with `first`, and those that their
  /// destructors drop.
  @inline(never)
  private static func destroyAll(_ first: FrameSlotReference) {
    var list: FrameSlotReference? = first
    while let slot = list {
      list = slot.removeDeferredLink()
      let interrupts = Processor.disableInterrupts()
      let (kind, waiting) = run(slot, states[Processor.current].word)
      Processor.restoreInterrupts(interrupts)
      slot.free(of: kind)
      if let waiting { list = waiting.appending(list) }
    }
  }

  /// Adds `slot` to the list of frames that wait, unless no destructor runs. Returns whether one
  /// does. With interrupts off.
  private static func push(
    _ slot: FrameSlotReference, unlessIdle word: borrowing Atomic<UInt64>
  ) -> Bool {
    // Ordering: relaxed; only this processor accesses the word.
    let state = word.load(ordering: .relaxed)
    if state == DestructorState.idle { return false }
    slot.deferredLink = DestructorState.first(of: state)
    // Ordering: relaxed; see above.
    word.store(DestructorState.running(slot), ordering: .relaxed)
    return true
  }

  /// Runs the destructor of `slot`. Returns the frame's kind, and the first of the frames that have
  /// come to wait meanwhile. With interrupts off, and no destructor running.
  private static func run(
    _ slot: FrameSlotReference, _ word: borrowing Atomic<UInt64>
  ) -> (kind: FrameKind, waiting: FrameSlotReference?) {
    // Ordering: relaxed; only this processor accesses the word.
    word.store(DestructorState.running, ordering: .relaxed)
    let kind = slot.destroyMetadata()
    // Ordering: relaxed; see above.
    let state = word.exchange(DestructorState.idle, ordering: .relaxed)
    return (kind, DestructorState.first(of: state))
  }
}

/// Whether a destructor runs on a processor, and the frames that it has dropped.
private struct DestructorState: PerProcessorValue, ~Copyable {
  static var variable: PerProcessorVariable { .destructors }

  /// `idle`, `running`, or the number of the first frame that waits, plus 2.
  ///
  /// Access: by its processor alone, with interrupts off.
  let word: Atomic<UInt64>

  static var idle: UInt64 { 0 }
  static var running: UInt64 { 1 }
  static func running(_ first: FrameSlotReference) -> UInt64 { FrameTable.number(of: first) &+ 2 }

  static func first(of word: UInt64) -> FrameSlotReference? {
    word <= running ? nil : FrameTable.slot(number: word &- 2)
  }
}

extension FrameSlotReference {
  /// Appends the list that begins with `other` to the list that begins here. Returns this.
  fileprivate func appending(_ other: FrameSlotReference?) -> FrameSlotReference {
    var last = self
    while let next = last.deferredLink { last = next }
    last.deferredLink = other
    return self
  }
}
