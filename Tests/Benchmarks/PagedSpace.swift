internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap
internal import TesseraPageTables
internal import TesseraPager
internal import TesseraSpaces

/// What the loops over the pager work on: a space that it pages, which is active, and an object.
/// Made before the first of a group, and gone after the last.
enum PagedSpace {
  /// Access: by the one thread of the benchmarks.
  nonisolated(unsafe) private static var storedObject: MemoryObject?
  /// How many spaces there are at `Spaces.places`. Access: as above.
  nonisolated(unsafe) private static var spaceCount = 0

  /// The space.
  static var space: UnsafeMutablePointer<VmSpace> { unsafe Spaces.places }

  /// A store that answers at once and moves nothing: what is measured is the pager.
  static var store: PageStore {
    PageStore(
      read: { _, _, _, _ in PageStore.Answer.done }, write: { _, _, _, _ in PageStore.Answer.done })
  }

  /// Starts the pager, which takes nothing away by itself, and makes the space.
  static func start() {
    do throws(TesseraError) {
      try Pager.start()
      Pager.setMarks(low: 0, high: 0)
      // SAFETY: the place holds nothing.
      unsafe space.initialize(to: makeSpace())
      try unsafe space.pointee.startPaging()
      unsafe spaceCount = 1
      unsafe space.pointee.activate()
    } catch { stop() }
  }

  /// Adds a fork of the space.
  static func fork() {
    do throws(TesseraError) {
      // SAFETY: the place holds nothing.
      unsafe (Spaces.places + spaceCount).initialize(to: try space.pointee.fork())
      unsafe spaceCount += 1
    } catch { stop() }
  }

  /// Destroys the forks.
  static func dropForks() {
    while unsafe spaceCount > 1 {
      unsafe spaceCount -= 1
      // SAFETY: `fork` made the space.
      unsafe (Spaces.places + spaceCount).deinitialize(count: 1)
    }
  }

  /// Makes the object, of `pageCount` pages of the store.
  static func makeObject(_ pageCount: Int) {
    do throws(TesseraError) {
      // SAFETY: one thread.
      unsafe storedObject = try MemoryObject(byteCount: byteCount(pageCount), store: store)
    } catch { stop() }
  }

  /// Calls `body` with the object.
  @inline(__always)
  static func withObject<Result>(_ body: (borrowing MemoryObject) -> Result) -> Result {
    // SAFETY: one thread.
    guard let object = unsafe storedObject.take() else { panic("a benchmark has no object") }
    let result = body(object)
    unsafe storedObject = consume object
    return result
  }

  /// Maps the first `pageCount` pages of the object.
  static func map(_ pageCount: Int, isShared: Bool) {
    let property = PageProperty.userReadWrite.with(isShared: isShared)
    withObject { object in
      do throws(TesseraError) {
        // SAFETY: `start` made the space.
        try unsafe space.pointee.map(object, at: Spaces.pages(pageCount), as: property)
      } catch { stop() }
    }
  }

  static func unmap(_ pageCount: Int) {
    // SAFETY: `start` made the space.
    var cursor = cursor(over: Spaces.pages(pageCount), of: unsafe space.pointee)
    do throws(TesseraError) { try cursor.unmap(byteCount(pageCount)) } catch { stop() }
  }

  /// Destroys all, so that no frame is in use that was not before.
  static func end() {
    // SAFETY: the spaces that stay were made at the start.
    unsafe Spaces.active.pointee.activate()
    dropForks()
    // SAFETY: `start` made the space.
    unsafe space.deinitialize(count: 1)
    // SAFETY: one thread.
    unsafe storedObject = nil
    Pager.stop()
    Heap.stop()
  }
}
