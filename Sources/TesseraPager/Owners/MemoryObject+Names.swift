internal import TesseraHardware

// Handles by name, for callers whose language cannot own one. A name says which object it is, and
// which of those that had its number, so that a name that is out of date finds nothing.
extension MemoryObject {
  /// Makes another handle, which is known by a name, and returns that. It is not zero.
  package borrowing func makeNamed() -> UInt64 {
    PagerLock.held {
      record.value.references += 1
      record.value.namedHandleCount += 1
      return record.value.name
    }
  }

  /// Takes over a handle that is known by `name`; nil if there is none.
  package init?(taking name: UInt64) {
    let found = PagerLock.held { () -> Record<ObjectRecord>? in
      guard let record = MemoryObjects.record(named: name) else { return nil }
      record.value.namedHandleCount -= 1
      return record
    }
    guard let found else { return nil }
    record = found
  }

  /// Makes another handle to the object with `name`; nil if no handle has that.
  package init?(named name: UInt64) {
    let found = PagerLock.held { () -> Record<ObjectRecord>? in
      guard let record = MemoryObjects.record(named: name) else { return nil }
      record.value.references += 1
      return record
    }
    guard let found else { return nil }
    record = found
  }
}

extension ObjectRecord {
  /// The name of all its handles that have one.
  fileprivate var name: UInt64 { UInt64(serial) << 32 | UInt64(number) }
}

extension MemoryObjects {
  /// The object whose handles have `name`, if it has such handles. The lock is held.
  fileprivate static func record(named name: UInt64) -> Record<ObjectRecord>? {
    guard let record = record(number: UInt32(truncatingIfNeeded: name)),
      record.value.name == name, record.value.namedHandleCount > 0
    else { return nil }
    return record
  }
}
