extension FrameRun {
  /// Drops one reference of each frame; of the compound frame, if the frame is the tail of one.
  ///
  /// Contiguous frames that are left without an owner are freed together.
  @inline(never)
  package func dropReferences() {
    var start = first
    var slot = first
    while slot != end {
      let isFree = Self.drop(slot)
      if !isFree { Self.free(from: start, to: slot) }
      slot = slot.advanced(by: 1)
      if !isFree { start = slot }
    }
    Self.free(from: start, to: end)
  }

  /// Drops one reference of each frame, as `dropReferences()`, but frees none: calls `body` with
  /// the slot of each that is left without an owner, which the caller then owns alone and has to
  /// retire.
  package func dropReferences(retiring body: (FrameSlotReference) -> Void) {
    forEachSlot { slot in
      let head = slot.head
      guard head.drop() else { return }
      head.setCount(ReferenceCount.unique)
      body(head)
    }
  }

  @inline(__always)
  private static func free(from start: FrameSlotReference, to end: FrameSlotReference) {
    guard start != end else { return }
    FrameAllocator.freeRun(start, frameCount: FrameRun(start, to: end).frameCount)
  }

  /// Drops one reference. Returns whether the frame is now `free` and remains to be returned to the
  /// allocator by the caller.
  @inline(__always)
  private static func drop(_ slot: FrameSlotReference) -> Bool {
    // The kind is constant while there is a reference, and distinguishes tail frames too.
    guard slot.kind.isTriviallyFreed else { return dropSlow(slot) }
    guard slot.drop() else { return false }
    FrameAllocator.makeFree(slot)
    return true
  }

  /// Like `drop`, for frames of any kind. Frees a compound frame itself.
  @inline(never)
  private static func dropSlow(_ slot: FrameSlotReference) -> Bool {
    if slot.count == ReferenceCount.tail {
      let head = slot.head
      if head.drop() { head.retire() }
      return false
    }
    return slot.drop() && destroy(slot)
  }

  /// Destroys the metadata of a frame whose last reference was dropped. Returns as `drop` does.
  private static func destroy(_ slot: FrameSlotReference) -> Bool {
    let kind = slot.kind
    if kind.hasDestructor && DestructorQueue.destroyMetadata(of: slot) == nil { return false }
    guard kind.isSmallAndAllocated else {
      slot.free(of: kind)
      return false
    }
    FrameAllocator.makeFree(slot)
    return true
  }
}
