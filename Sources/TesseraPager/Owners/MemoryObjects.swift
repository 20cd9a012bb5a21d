internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// All memory objects, and the object space: an address space that no processor runs on, whose
/// tables say where each page of each object is.
///
/// An object has as many addresses there as it has pages, so that objects of a few pages share
/// tables: 8 bytes for a page. Looking a page up is a walk through tables, truncating is to unmap,
/// and what checks page tables checks the page cache.
enum MemoryObjects {
  /// The root of the object space, with a reference.
  ///
  /// Access: written by `start` and `reset`, constant otherwise.
  nonisolated(unsafe) private static var rootNode: PageTableNode?
  /// How many objects have been made. Access: under `PagerLock`.
  nonisolated(unsafe) private static var madeCount: UInt32 = 0

  /// Makes the object space. Throws `outOfFrames`.
  static func start() throws(TesseraError) {
    let root = try KernelSpace.makeRoot()
    // SAFETY: there is no object yet.
    unsafe rootNode = root
  }

  /// Destroys the object space. There is no object.
  static func reset() {
    NodePool.release(root)
    forget()
  }

  /// As `reset`, when the machine is another, and the frames are gone.
  static func forget() {
    // SAFETY: nothing uses it any more.
    unsafe rootNode = nil
  }

  /// The root of the object space.
  static var root: PageTableNode {
    // SAFETY: constant while there are objects; it is a root, which the space keeps.
    guard let root = unsafe rootNode else { panic("a memory object without the pager") }
    return root
  }

  /// What the entries of pages say that are neither in memory nor in swap. They have all rights:
  /// what a space may do with them is said there. Behind the end of an object the number is 0: it
  /// keeps the addresses, and there is nothing.
  static func vacant(_ number: UInt32) -> PageTableEntry {
    .object(number, PageProperty.userReadWrite.with(isShared: true))
  }
}

// Making and finding objects.
extension MemoryObjects {
  static func make(
    _ byteCount: UInt64, capacity: UInt64, _ store: PageStore?
  ) throws(TesseraError) -> Record<ObjectRecord> {
    guard capacity > 0 else { throw .empty }
    let limit = VmSpace.end.byteCount(from: VmSpace.start) / 2
    guard byteCount <= capacity, capacity <= limit else { throw .outOfBounds }
    let pageCount = ObjectRecord.pageCount(of: capacity)
    let base = try claimAddresses(pageCount)
    do throws(TesseraError) {
      let record = try Record(
        ObjectRecord(base: base, capacity: pageCount, byteCount: byteCount, store))
      do throws(TesseraError) {
        try publish(record)
      } catch {
        record.free()
        throw error
      }
      return record
    } catch {
      clear(base, pageCount)
      throw error
    }
  }

  /// Gives `record` a number, and its pages the statuses with that.
  private static func publish(_ record: Record<ObjectRecord>) throws(TesseraError) {
    let number = try RecordNumbers.objects.take(for: record.address) { number in
      record.value.number = number
      // SAFETY: the lock is held.
      unsafe record.value.serial = madeCount
      // SAFETY: as above.
      unsafe madeCount &+= 1
    }
    do throws(TesseraError) {
      try setVacant(record, 0..<record.value.pageCount)
    } catch {
      PagerLock.held { RecordNumbers.objects.free(number) }
      throw error
    }
  }

  /// Finds `pageCount` pages of the object space that are absent, and gives them a status.
  private static func claimAddresses(_ pageCount: UInt64) throws(TesseraError) -> VirtualAddress {
    let byteCount = pageCount * PageSize.fourKiB.byteCount
    while true {
      let all = PiecewiseRange(VmSpace.start..<VmSpace.end, of: root)
      let found = all.findFree(byteCount, alignedTo: PageSize.fourKiB.byteCount)
      guard let base = found else { throw .outOfFrames }
      let end = base.advanced(unchecked: byteCount)
      do throws(TesseraError) {
        try Preemption.disabled { () throws(TesseraError) in
          var cursor = try Cursor(over: base..<end, of: root, .added)
          try cursor.claim(byteCount, with: vacant(0))
        }
        return base
      } catch .alreadyMapped { continue }
    }
  }

  /// Gives the pages of `record` with `indices`, none of which is in memory, the status of pages
  /// that are in the store, or zeros.
  static func setVacant(
    _ record: Record<ObjectRecord>, _ indices: Range<UInt64>
  ) throws(TesseraError) {
    guard !indices.isEmpty else { return }
    let start = record.value.address(of: indices.lowerBound)
    let end = record.value.address(of: indices.upperBound)
    try Preemption.disabled { () throws(TesseraError) in
      var cursor = try Cursor(over: start..<end, of: root, .added)
      try cursor.setStatus(end.byteCount(from: start), vacant(record.value.number))
    }
  }

  /// Makes `pageCount` pages of the object space from `base` absent. A part at a time.
  private static func clear(_ base: VirtualAddress, _ pageCount: UInt64) {
    var start = base
    var left = pageCount
    while left > 0 {
      let count = min(left, 512)
      let end = start.advanced(unchecked: count * PageSize.fourKiB.byteCount)
      Preemption.disabled {
        var cursor = Cursor(locking: start..<end, of: root)
        // Only a large page would have to be split.
        _ = try? cursor.unmap(end.byteCount(from: start))
      }
      start = end
      left -= count
    }
  }

  /// The object with `number`, which stays until `release`; nil if there is none.
  static func acquire(_ number: UInt32) -> Record<ObjectRecord>? {
    PagerLock.held {
      guard let record = record(number: number), record.value.references > 0 else { return nil }
      record.value.references += 1
      return record
    }
  }

  /// Calls `body` with each object, by ascending number. Objects that are made or end meanwhile are
  /// among them or not.
  static func forEachObject(_ body: (borrowing MemoryObject) -> Void) {
    let end = PagerLock.held { RecordNumbers.objects.end }
    for number in 1..<end {
      if let record = acquire(number) { body(MemoryObject(adopting: record)) }
    }
  }

  /// The length of the object with `number`, if there is one. The lock is held.
  static func byteCount(of number: UInt32) -> UInt64? { record(number: number)?.value.byteCount }

  static func record(number: UInt32) -> Record<ObjectRecord>? {
    // SAFETY: the numbers of objects are of records of objects.
    unsafe Record(at: RecordNumbers.objects.address(of: number))
  }

  /// Drops a reference of `record`. Destroys the object with the last.
  static func release(_ record: Record<ObjectRecord>) {
    let isLast = PagerLock.held { () -> Bool in
      record.value.references -= 1
      return record.value.references == 0
    }
    guard isLast else { return }
    clear(record.value.base, record.value.capacity)
    PagerLock.held { RecordNumbers.objects.free(record.value.number) }
    record.free()
  }
}
