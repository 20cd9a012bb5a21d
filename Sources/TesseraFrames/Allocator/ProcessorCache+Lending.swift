extension ProcessorCache {
  /// The number of frames in the cache, lent or not.
  var heldCount: Int { max(0, count) + request.lentCount }

  /// Lends the frames, if another processor has asked for them. By the cache's processor.
  mutating func lendIfAsked() {
    guard request.isPending else { return }
    let held = max(0, count)
    if held > 0 { count = Self.lent }
    request.answer(lending: held)
  }

  /// Opens the cache, empty, if it was lent. By its processor, under the lock.
  @inline(never)
  mutating func reopen(_ state: inout FrameAllocatorState) {
    guard count == Self.lent else { return }
    state.takeLent(from: self)
    count = 0
  }
}
