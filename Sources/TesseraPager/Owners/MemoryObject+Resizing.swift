internal import TesseraFaults
internal import TesseraFrames
public import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

extension MemoryObject {
  /// Makes the object `byteCount` bytes long.
  ///
  /// If it becomes shorter, the pages behind its end are taken out of all spaces that map them, and
  /// forgotten; copies that spaces have made of them are theirs. The rest of the last page is
  /// zeros; so that page is read first, if it is not in memory. The store is told of what it need
  /// not keep. If the object becomes longer, the pages are those of its store, or zeros.
  ///
  /// One call at a time for an object. Waits for other processors, and for the store as
  /// `PageStore` says; not for interrupt handlers.
  ///
  /// - Throws: `outOfBounds` if it is more than there is room for; `outOfFrames`; `pageBusy` while
  ///   the page that becomes the last is being read, and `storeFailed` if it cannot be. Nothing has
  ///   changed then.
  public borrowing func resize(to byteCount: UInt64) throws(TesseraError) {
    guard byteCount <= record.value.capacity * PageSize.fourKiB.byteCount else {
      throw .outOfBounds
    }
    let old = record.value.byteCount
    let (oldCount, newCount) = (
      ObjectRecord.pageCount(of: old), ObjectRecord.pageCount(of: byteCount)
    )
    if newCount > oldCount { try MemoryObjects.setVacant(record, oldCount..<newCount) }
    var last: PageFrame?
    if newCount < oldCount { try MemoryObjects.splitStatus(of: record, at: newCount) }
    if byteCount < old { try MemoryObjects.obtainLastPage(of: record, byteCount, &last) }
    PagerLock.held { record.value.byteCount = byteCount }
    guard byteCount < old else { return }
    MemoryObjects.removePages(of: record, from: newCount, to: oldCount)
    if let slot = last?.slot, let page = PageReference(slot) {
      page.clear(from: byteCount % 4096)
      page.add(.dirty)
    }
    guard let store = record.value.store, let release = store.release, newCount < oldCount else {
      return
    }
    release(store.context, newCount * 4096, (oldCount - newCount) * 4096)
  }
}

extension MemoryObjects {
  /// Takes the pages of `object` from `first` up to `end` out of it, and out of all spaces.
  fileprivate static func removePages(
    of object: Record<ObjectRecord>, from first: UInt64, to end: UInt64
  ) {
    var index = first
    while index < end {
      // A piece lies in one leaf table: no more is locked.
      let address = object.value.address(of: index)
      let count = min(end - index, address.endOfLeafTable.byteCount(from: address) / 4096)
      removePiece(of: object, index, count)
      index += count
    }
  }

  /// Has page `index` of `object` have an entry of its own, so that those from there on can be
  /// changed without memory.
  ///
  /// - Throws: `outOfFrames`.
  fileprivate static func splitStatus(
    of object: Record<ObjectRecord>, at index: UInt64
  ) throws(TesseraError) {
    let address = object.value.address(of: index)
    let end = address.advanced(unchecked: PageSize.fourKiB.byteCount)
    try Preemption.disabled { () throws(TesseraError) in
      var cursor = try Cursor(over: address..<end, of: root, .added)
      let (entry, level) = cursor.entry(at: address)
      guard level > .leafTable, let number = entry.objectNumber else { return }
      try cursor.setStatus(PageSize.fourKiB.byteCount, vacant(number))
    }
  }

  private static func removePiece(
    of object: Record<ObjectRecord>, _ index: UInt64, _ count: UInt64
  ) {
    let start = object.value.address(of: index)
    let end = start.advanced(unchecked: count * 4096)
    while true {
      var frame: PageFrame?
      let isDone = Preemption.disabled { () -> Bool in
        var cursor = Cursor(locking: start..<end, of: root)
        if cursor.findNext(within: end.byteCount(from: start)) {
          // A page at a time, because each has to be taken out of the spaces before it is
          // forgotten.
          frame = cursor.sharedFrame()
          if let slot = frame?.slot { _ = cursor.takeOut(slot, leaving: .object(0)) }
          return false
        }
        // The object keeps the addresses. Nothing has to be split.
        do throws(TesseraError) {
          try cursor.jump(to: start)
          try cursor.setStatus(end.byteCount(from: start), vacant(0))
        } catch { panic("a page of a memory object could not be removed") }
        return true
      }
      if let slot = frame?.slot, let page = PageReference(slot) {
        forEachMapping(of: page, in: object) { cursor, attachment in
          _ = cursor.takeOut(page.slot, leaving: .object(attachment))
        }
      }
      if isDone { return }
    }
  }

  /// Has the page of `object` that is the last if it becomes `byteCount` bytes long, which is less,
  /// in memory, and a reference of it in `frame`; nil if all of the page is used.
  ///
  /// Also one that is only in the store: it would have its old rest if the object became longer.
  ///
  /// - Throws: `outOfFrames`, `pageBusy`, `storeFailed`.
  fileprivate static func obtainLastPage(
    of object: Record<ObjectRecord>, _ byteCount: UInt64, _ frame: inout PageFrame?
  ) throws(TesseraError) {
    guard byteCount % 4096 != 0 else { return }
    while true {
      switch obtainReclaiming(byteCount / 4096, of: object, &frame) {
      case .done: return
      case .again: frame = nil
      case .busy: throw .pageBusy
      case .failed: throw .storeFailed
      case .outOfFrames, .denied: throw .outOfFrames
      }
    }
  }
}

extension PageReference {
  /// Fills the frame with zeros from byte `offset` to its end. Returns whether there was anything
  /// else.
  @discardableResult
  func clear(from offset: UInt64) -> Bool {
    let start = PhysicalAddress(unchecked: address.rawValue + offset)
    // SAFETY: the frame is memory, of which the holder of this has a reference.
    let bytes = unsafe UnsafeMutableRawBufferPointer(
      start: PhysicalMemory.pointer(to: start), count: Int(4096 - offset))
    var hadOthers = false
    for index in 0..<bytes.count {
      // SAFETY: the index is one of the buffer's.
      if unsafe bytes[index] != 0 {
        hadOthers = true
        // SAFETY: as above.
        unsafe bytes[index] = 0
      }
    }
    return hadOthers
  }
}
