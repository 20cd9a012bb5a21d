internal import TesseraFrames

/// A list of slabs of one processor.
///
/// The link to the next slab is in the `SlabPlace` of each, and that to the one before in the
/// membership of its slot, which so tells whether a slab is in a list.
///
/// Access: by the owner, with interrupts off.
struct SlabList {
  private(set) var first: FrameSlotReference?
  private var last: FrameSlotReference?

  /// Adds `slot`, which is in no list, at the end.
  mutating func append(_ slot: FrameSlotReference) {
    slot.setSlabPlace(slot.slabPlace.linked(to: nil))
    slot.deferredLink = last
    if let last { last.setSlabPlace(last.slabPlace.linked(to: slot)) } else { first = slot }
    last = slot
  }

  /// Removes `slot`, which is in this list.
  mutating func remove(_ slot: FrameSlotReference) {
    let next = slot.slabPlace.next
    let previous = slot.removeDeferredLink()
    slot.setSlabPlace(slot.slabPlace.linked(to: nil))
    if let next { next.deferredLink = previous } else { last = previous }
    if let previous {
      previous.setSlabPlace(previous.slabPlace.linked(to: next))
    } else {
      first = next
    }
  }
}
