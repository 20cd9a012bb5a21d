/// A handle to a frame that holds a page, whatever its metadata: one reference, dropped when the
/// handle is destroyed.
///
/// As `Frame`, but of no generic type: the compiler does not make the destructors of those for
/// variables that a closure captures in Embedded Swift.
///
/// Public, though nothing of it is, for the same reason as `RangeLock`.
@frozen
public struct PageFrame: ~Copyable {
  package let slot: FrameSlotReference

  /// Adopts a reference to the frame of `slot`, whose contents are untyped.
  ///
  /// The caller holds that reference, and relinquishes it.
  @unsafe package init(adopting slot: FrameSlotReference) { self.slot = slot }

  package init(_ frame: consuming UntypedFrame) { slot = frame.relinquishSlot() }

  /// Another handle to the same frame.
  package borrowing func share() -> PageFrame {
    slot.share()
    // SAFETY: `share` added the reference.
    return unsafe PageFrame(adopting: slot)
  }

  /// Relinquishes the handle's reference to the caller.
  package consuming func relinquish() -> FrameSlotReference {
    let slot = slot
    discard self
    return slot
  }

  deinit {
    if slot.drop() { slot.retire() }
  }
}
