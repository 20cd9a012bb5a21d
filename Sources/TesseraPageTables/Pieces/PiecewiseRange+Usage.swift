internal import TesseraFrames
internal import TesseraHardware

extension PiecewiseRange {
  /// The number of bytes that are mapped to frames that the mappings own. What other threads change
  /// meanwhile counts or not, page by page.
  package var residentByteCount: UInt64 {
    var count: UInt64 = 0
    forEachPiece { cursor in
      cursor.forEachRun(within: cursor.byteCountLeft) { run in
        guard case .mapped(_, _, ownsFrame: true) = run.content else { return }
        count &+= run.byteCount
      }
    }
    return count
  }

  /// The numbers of bytes of the pages whose accessed bit and whose dirty bit are set. Clears the
  /// bits in `cleared`. Counts a large page that lies only partly in the range with all its bytes,
  /// as `Cursor.clearAccessed`.
  @discardableResult
  package func harvest(clearing cleared: AccessBits) -> (accessed: UInt64, dirty: UInt64) {
    var accessed: UInt64 = 0
    var dirty: UInt64 = 0
    forEachPiece { cursor in
      accessed &+= cursor.harvest(.accessed, clearing: cleared)
      dirty &+= cursor.harvest(.dirty, clearing: cleared)
    }
    return (accessed, dirty)
  }
}

extension Cursor {
  /// Counts the bytes of the pages of the range whose `bit` is set, and clears it if it is in
  /// `cleared`. Does not move.
  fileprivate mutating func harvest(_ bit: AccessBits, clearing cleared: AccessBits) -> UInt64 {
    let start = position
    defer { position = start }
    if cleared.contains(bit) {
      // In one step with the count: a bit that the processor sets meanwhile is not lost.
      return bit == .accessed ? clearAccessed(byteCountLeft) : clearDirty(byteCountLeft)
    }
    var count: UInt64 = 0
    forEachRun(within: byteCountLeft) { run in
      guard case .mapped(_, let property, _) = run.content,
        bit == .accessed ? property.isAccessed : property.isDirty
      else { return }
      count &+= max(run.byteCount, run.entryByteCount)
    }
    return count
  }
}
