internal import TesseraFrames
internal import TesseraHardware

/// The numbers of the pager's records, by the kind of the record.
enum RecordNumbers: Int {
  case families, objects, attachments

  /// Access: under `PagerLock`.
  nonisolated(unsafe) private static var tables = InlineArray<3, NumberTable> { _ in
    NumberTable()
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
        // SAFETY: the lock is held.
        let number = unsafe Self.tables[rawValue].take(for: address)
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
    // SAFETY: the lock is held.
    unsafe Self.tables[rawValue].add(&frame)
  }

  private var room: NumberTable.Room {
    // SAFETY: the lock is held.
    unsafe Self.tables[rawValue].room
  }

  /// The address of the record with `number`; 0 if there is none. The lock is held.
  func address(of number: UInt32) -> UInt {
    // SAFETY: the lock is held.
    unsafe Self.tables[rawValue].address(of: number)
  }

  /// Frees `number`. The lock is held.
  func free(_ number: UInt32) {
    // SAFETY: the lock is held.
    unsafe Self.tables[rawValue].free(number)
  }

  /// As `reset`, when the machine is another.
  static func forget() {
    for kind in 0..<3 {
      // SAFETY: nothing else uses them.
      unsafe tables[kind].forget()
    }
  }

  /// Frees the tables of all kinds. There are no records.
  static func reset() {
    for kind in 0..<3 {
      // SAFETY: nothing else uses them.
      unsafe tables[kind].removeAll()
    }
  }
}
