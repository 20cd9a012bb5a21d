public import TesseraHardware
internal import TesseraPageTables

/// A memory object: a file, shared memory, or whatever else pages are pages of, and a handle that
/// keeps it in being.
///
/// Its pages are read from its store when they are first used, stay in memory for as long as there
/// is room, and are written back. Without a store they begin as zeros, and go to the swap store.
/// Mapping it into spaces is `VmSpace.map(_:from:at:as:)`.
///
/// Destroying the last handle, when no space has a page of the object any more, forgets it: what
/// was not written to its store by `synchronize()` is lost.
public struct MemoryObject: ~Copyable {
  let record: Record<ObjectRecord>

  /// Makes an object of `byteCount` bytes, with pages of `store`, or pages that begin as zeros if
  /// that is nil. It can grow to `capacity` bytes, or to its next page if that is nil.
  ///
  /// - Throws: `outOfFrames`; `empty` if there is room for no page; `outOfBounds` if `capacity` is
  ///   less than `byteCount`, or more than half of the user range of a space.
  public init(
    byteCount: UInt64, store: PageStore? = nil, capacity: UInt64? = nil
  ) throws(TesseraError) {
    record = try MemoryObjects.make(byteCount, capacity: capacity ?? byteCount, store)
  }

  deinit { MemoryObjects.release(record) }

  /// Another handle to the same object.
  public borrowing func share() -> MemoryObject {
    PagerLock.held { record.value.references += 1 }
    return MemoryObject(adopting: record)
  }

  init(adopting record: Record<ObjectRecord>) { self.record = record }

  /// The number of the object among all objects, from 1. Used again once it is gone.
  public var number: UInt32 { record.value.number }

  /// Whether page `index` is in memory; it may still be being read. Takes no lock, and tells what
  /// was so at some moment of the call.
  public borrowing func isInMemory(page index: UInt64) -> Bool {
    index < record.value.capacity
      && MemoryObjects.root.translate(record.value.address(of: index)) != nil
  }

  /// The length in bytes.
  public var byteCount: UInt64 { PagerLock.held { record.value.byteCount } }
}
