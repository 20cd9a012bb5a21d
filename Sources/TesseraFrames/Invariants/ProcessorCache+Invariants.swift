extension ProcessorCache {
  /// Calls `report` once for each violated invariant of the cache.
  func checkInvariants(_ report: (StaticString) -> Void) {
    for index in 0..<heldCount {
      let slot = self[index]
      if slot.kind != .cached { report("frame in a cache does not have the kind of one") }
      if slot.count != ReferenceCount.free { report("frame in a cache is not free") }
    }
  }
}
