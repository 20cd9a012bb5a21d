internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables

/// Where pages are, and in what state.
public struct PageUsage: Equatable, Sendable {
  /// Pages in memory.
  public var resident: UInt64 = 0
  /// Those in memory that were written since their store last had them.
  public var dirty: UInt64 = 0
  /// Those that are being written.
  public var beingWritten: UInt64 = 0
  /// Pages in the swap store only.
  public var swapped: UInt64 = 0

  public init() {}

  fileprivate mutating func add(_ page: PageReference) {
    resident += 1
    if page.has(.writeback) { beingWritten += 1 }
    if page.has(.dirty) { dirty += 1 }
  }
}

extension MemoryObject {
  /// Where the object's pages are. What other processors change meanwhile counts or not.
  ///
  /// A page that was written through a mapping that is still there counts as dirty only once it was
  /// taken out of that, or written back.
  public borrowing func usage() -> PageUsage {
    var usage = PageUsage()
    MemoryObjects.forEachPage(of: record) { usage.add($0) }
    usage.swapped = MemoryObjects.swappedPageCount(of: record)
    return usage
  }
}

extension Pager {
  /// Where the pages of anonymous memory and of all objects are. Reads the slots of all frames, and
  /// the entries of all objects: both count in the swap store.
  public static func usage() -> (anonymous: PageUsage, objects: PageUsage) {
    var anonymous = PageUsage()
    var objects = PageUsage()
    for number in 0..<FrameTable.frameCount {
      guard let page = PageReference(FrameTable.slot(number: number)),
        ReferenceCount.isShared(page.slot.count)
      else { continue }
      if page.owner.isObject { objects.add(page) } else { anonymous.add(page) }
    }
    MemoryObjects.forEachObject { object in
      objects.swapped += MemoryObjects.swappedPageCount(of: object.record)
    }
    // A page that comes or goes meanwhile may count as both.
    let used = UInt64(swapUsage.used)
    anonymous.swapped = max(used, objects.swapped) - objects.swapped
    return (anonymous, objects)
  }
}

extension MemoryObjects {
  /// The number of pages of `object` that are in the swap store only.
  fileprivate static func swappedPageCount(of object: Record<ObjectRecord>) -> UInt64 {
    var count: UInt64 = 0
    let end = object.value.address(of: object.value.pageCount)
    var next = object.value.base
    while next < end {
      let limit = min(end, next.endOfLeafTable)
      Preemption.disabled {
        let cursor = Cursor(locking: next..<limit, of: root)
        var page = next
        while page < limit {
          let (entry, level) = cursor.entry(at: page)
          if entry.swapSlot != nil { count += 1 }
          page = page.alignedDown(to: level.span).advanced(unchecked: level.span)
        }
      }
      next = limit
    }
    return count
  }
}
