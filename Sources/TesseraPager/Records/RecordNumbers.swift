internal import TesseraFrames
internal import TesseraHardware

/// The numbers of the pager's records, by the kind of the record.
enum RecordNumbers {
  case families, objects, attachments

  /// Access: under `PagerLock`. Three variables, because an array would be made at its first use.
  nonisolated(unsafe) private static var ofFamilies = NumberTable()
  nonisolated(unsafe) private static var ofObjects = NumberTable()
  nonisolated(unsafe) private static var ofAttachments = NumberTable()

  /// Calls `body` with the table. The lock is held.
  @inline(__always)
  private func withTable<Result>(_ body: (inout NumberTable) -> Result) -> Result {
    switch self {
    // SAFETY: the lock is held.
    case .families: unsafe body(&Self.ofFamilies)
    // SAFETY: as above.
    case .objects: unsafe body(&Self.ofObjects)
    // SAFETY: as above.
    case .attachments: unsafe body(&Self.ofAttachments)
    }
  }

  /// Takes a number for the record at `address`, and calls `publish` with it, under the lock: who
  /// finds the record by its number finds what that has done. The lock is not held by the caller.
  ///
  /// - Throws: `outOfFrames`, also if all numbers are taken.
  @discardableResult
  func take(
    for address: UInt, publish: (UInt32) -> Void
  ) throws(TesseraError) -> UInt32 {
    var frame: PhysicalAddress?
    defer {
      // SAFETY: no table has it.
      if let frame { unsafe RecordFrame.free(frame) }
    }
    while true {
      var room = NumberTable.Room.none
      let number = PagerLock.held { () -> UInt32 in
        add(&frame)
        room = self.room
        guard case .enough = room else { return 0 }
        let number = withTable { $0.take(for: address) }
        publish(number)
        return number
      }
      switch room {
      case .enough: return number
      case .none: throw .outOfFrames
      case .frameNeeded: if frame == nil { frame = try RecordFrame.allocate() }
      }
    }
  }

  /// As `NumberTable.add`. The lock is held.
  private func add(_ frame: inout PhysicalAddress?) {
    withTable { $0.add(&frame) }
  }

  private var room: NumberTable.Room { withTable { $0.room } }

  /// The address of the record with `number`; 0 if there is none. The lock is held.
  func address(of number: UInt32) -> UInt { withTable { $0.address(of: number) } }

  /// No number from this on was ever given out. The lock is held.
  var end: UInt32 { withTable { $0.end } }

  /// Frees `number`. The lock is held.
  func free(_ number: UInt32) { withTable { $0.free(number) } }

  /// As `reset`, when the machine is another.
  static func forget() {
    families.withTable { $0.forget() }
    objects.withTable { $0.forget() }
    attachments.withTable { $0.forget() }
  }

  /// Frees the tables of all kinds. There are no records.
  static func reset() {
    families.withTable { $0.removeAll() }
    objects.withTable { $0.removeAll() }
    attachments.withTable { $0.removeAll() }
  }
}
