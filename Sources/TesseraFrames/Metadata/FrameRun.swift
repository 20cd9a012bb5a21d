/// Contiguous 4 KiB frames.
///
/// A run does not own its frames; its holder may hold one reference of each, see
/// `dropReferences()`.
package struct FrameRun {
  package private(set) var first: FrameSlotReference
  /// The slot after the last.
  package private(set) var end: FrameSlotReference

  /// The one frame of `slot`.
  @inline(__always)
  package init(_ slot: FrameSlotReference) { self.init(slot, frameCount: 1) }

  @inline(__always)
  package init(_ first: FrameSlotReference, frameCount: Int) {
    self.init(first, to: first.advanced(by: frameCount))
  }

  /// The frames from `first` up to, but not including, `end`.
  @inline(__always)
  package init(_ first: FrameSlotReference, to end: FrameSlotReference) {
    self.first = first
    self.end = end
  }

  package var frameCount: Int {
    Int(truncatingIfNeeded: FrameTable.number(of: end) &- FrameTable.number(of: first))
  }

  /// The slot of the only frame, or nil if there are several.
  @inline(__always)
  package var only: FrameSlotReference? { first.advanced(by: 1) == end ? first : nil }

  /// Adds the frame of `slot` if it follows the last one. Returns whether it did.
  @inline(__always)
  package mutating func append(_ slot: FrameSlotReference) -> Bool {
    guard slot == end else { return false }
    end = slot.advanced(by: 1)
    return true
  }

  /// Adds the frame of `slot` if it precedes the first one. Returns whether it did.
  @inline(__always)
  package mutating func prepend(_ slot: FrameSlotReference) -> Bool {
    guard slot.advanced(by: 1) == first else { return false }
    first = slot
    return true
  }

  /// Calls `body` with the slot of each frame.
  package func forEachSlot(_ body: (FrameSlotReference) -> Void) {
    var slot = first
    while slot != end {
      body(slot)
      slot = slot.advanced(by: 1)
    }
  }
}
