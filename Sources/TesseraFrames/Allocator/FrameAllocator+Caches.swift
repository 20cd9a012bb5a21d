// The caches as wholes: emptied, and closed while their processor does not run.
extension FrameAllocator {
  /// Moves the frames of this processor's cache to the zones, where they merge.
  public static func drainCache() { emptyCache(closing: false) }

  /// Empties this processor's cache, and keeps it empty: for a processor that is about to stop.
  ///
  /// A frame in the cache of a processor that does not run could not be allocated. The processor
  /// may still allocate and free: each frame then comes from the zones and goes there.
  package static func closeCache() {
    _ = trim()
    emptyCache(closing: true)
  }

  /// One function for both, because what frees runs is large and would be there twice.
  @inline(never)
  private static func emptyCache(closing isClosing: Bool) {
    withLock { state, cache in
      cache.removeAll(to: &state)
      if isClosing { cache.setClosed(true) }
    } external: {
    }
  }

  /// Opens this processor's cache, for a processor that has started again. Does nothing if it is
  /// open.
  package static func openCache() {
    withLock { _, cache in
      if cache.isClosed { cache.setClosed(false) }
    } external: {
    }
  }
}
