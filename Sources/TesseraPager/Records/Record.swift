internal import TesseraHardware
internal import TesseraHeap

/// A reference to a record of the pager in the heap: one word, which does not own it.
///
/// Records are made, linked and freed by their types, which say what keeps one in being. Fields
/// are accessed under `PagerLock`, unless they are constant or atomic.
///
/// SAFETY: safe to use, because a record is freed only once nothing refers to it, as its type says.
@safe
struct Record<Value: ~Copyable>: Equatable {
  private let pointer: UnsafeMutablePointer<Value>

  /// Moves `value` to the heap. Throws `outOfFrames`; `value` is then destroyed.
  init(_ value: consuming Value) throws(TesseraError) {
    // SAFETY: the record is freed by `free`.
    unsafe pointer = try HeapBox(value).relinquish()
  }

  /// The record at `address`, which `address` returned.
  ///
  /// The caller knows that there is one.
  @unsafe init?(at address: UInt) {
    // SAFETY: forming the pointer accesses nothing.
    guard let pointer = unsafe UnsafeMutablePointer<Value>(bitPattern: address) else { return nil }
    unsafe self.pointer = pointer
  }

  /// The address of the record. Not zero.
  var address: UInt {
    // SAFETY: nothing is accessed.
    unsafe UInt(bitPattern: pointer)
  }

  /// The fields. By address, because an access to one is none to the others, which other processors
  /// may read meanwhile. ThreadSanitizer takes a change of one for a change of the first, which is
  /// therefore none that is read without the lock.
  var value: Value {
    unsafeAddress {
      // SAFETY: the record is there for as long as anything refers to it.
      unsafe UnsafePointer(pointer)
    }
    nonmutating unsafeMutableAddress {
      // SAFETY: as above.
      unsafe pointer
    }
  }

  /// Destroys the record, to which nothing refers any more. Not with a lock held.
  func free() {
    // SAFETY: the caller has the last reference.
    _ = unsafe HeapBox(adopting: pointer)
  }

  static func == (left: Record, right: Record) -> Bool { left.address == right.address }
}
