internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// What an attempt to write the pages of an object to its store has achieved.
public struct SynchronizeResult: Equatable, Sendable {
  /// The number of pages that were written.
  public var written = 0
  /// The number of pages that are being written.
  public var beingWritten = 0
  /// The number of pages that the store did not write, and that stay dirty.
  public var failed = 0

  public init(written: Int = 0, beingWritten: Int = 0, failed: Int = 0) {
    self.written = written
    self.beingWritten = beingWritten
    self.failed = failed
  }

  /// Whether the store has all that was written before the call.
  public var isComplete: Bool { beingWritten == 0 && failed == 0 }
}

extension MemoryObject {
  /// Writes all pages that were written since the store last had them, in ascending order, without
  /// taking them away: programs may go on to use them. What they write meanwhile makes the page
  /// dirty again.
  ///
  /// With a store that finishes later, call this again until it `isComplete`. An object without a
  /// store has nothing to write.
  ///
  /// Waits for other processors, and for the store as `PageStore` says; not for interrupt handlers.
  @discardableResult
  public borrowing func synchronize() -> SynchronizeResult {
    var result = SynchronizeResult()
    guard let store = record.value.store else { return result }
    MemoryObjects.forEachPage(of: record) { page in
      MemoryObjects.synchronize(page, of: record, to: store, &result)
    }
    return result
  }
}

extension MemoryObjects {
  /// Calls `body` with each page of `object` that is in memory, in ascending order, once. Pages
  /// that are added meanwhile may be missed.
  static func forEachPage(
    of object: Record<ObjectRecord>, _ body: (PageReference) -> Void
  ) {
    let end = object.value.address(of: object.value.capacity)
    var next = object.value.base
    while next < end {
      let limit = min(end, next.endOfLeafTable)
      var frame: PageFrame?
      let found = Preemption.disabled { () -> VirtualAddress in
        var cursor = Cursor(locking: next..<limit, of: root)
        guard cursor.findNext(within: limit.byteCount(from: next)) else { return limit }
        frame = cursor.sharedFrame()
        return cursor.address.advanced(unchecked: PageSize.fourKiB.byteCount)
      }
      if let slot = frame?.slot, let page = PageReference(slot) { body(page) }
      next = found
    }
  }

  /// Writes `page` of `object` to `store`, if it is dirty.
  fileprivate static func synchronize(
    _ page: PageReference, of object: Record<ObjectRecord>, to store: PageStore,
    _ result: inout SynchronizeResult
  ) {
    // Who has it locked reads it, so that it is not written yet, or takes it away.
    guard page.tryLock() else {
      if page.has(.upToDate) { result.beingWritten += 1 }
      return
    }
    defer { page.unlock() }
    // Once no mapping has the bit, what is written from here on sets it again. A mapping that is
    // being removed may have had it.
    forEachMapping(of: page, in: object, complete: true) { cursor, _ in
      if cursor.takeDirty(page.slot) { page.add(.dirty) }
    }
    if page.has(.writeback) {
      result.beingWritten += 1
      return
    }
    guard page.takeDirty() else { return }
    switch store.write(page, to: page.index * 4096) {
    case .done: result.written += 1
    case .later: result.beingWritten += 1
    case .failed: result.failed += 1
    }
  }
}
