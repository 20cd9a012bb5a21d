extension FrameAllocator {
  /// Calls `report` once for each violated invariant of the allocator. Visits every free frame, or
  /// every slot if the kernel has its own allocator.
  ///
  /// Nothing else may use the allocator meanwhile.
  public static func checkInvariants(_ report: (StaticString) -> Void) {
    withLock { state, _ in
      state.low.checkInvariants(report)
      state.middle.checkInvariants(report)
      state.high.checkInvariants(report)
      state.visitCaches { $0.checkInvariants(report) }
    } external: {
      checkExternal(report)
    }
  }

  private static func checkExternal(_ report: (StaticString) -> Void) {
    var external: UInt64 = 0
    var used: UInt64 = 0
    for number in 0..<FrameTable.frameCount {
      let kind = FrameTable.slot(number: number).kind
      if kind == .external { external += 1 } else if kind.isAllocated { used += 1 }
    }
    let statistics = externalStatistics
    if used != statistics.usedFrameCount {
      report("used frame count does not match the slots of allocated frames")
    }
    if external != statistics.freeFrameCount {
      report("free frame count does not match the slots of external frames")
    }
  }
}
