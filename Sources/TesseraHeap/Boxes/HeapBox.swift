public import TesseraHardware

/// An owned value in the heap, whose address does not change for as long as this handle lives.
///
/// For records that are linked to each other, and are of one type: those of a type share slabs with
/// others of their size. Destroying the handle destroys the value and frees its memory.
///
/// SAFETY: safe to use, because the handle alone leads to the memory, which holds a value until the
/// handle is destroyed.
@safe
@frozen
public struct HeapBox<Value: ~Copyable>: ~Copyable {
  private let pointer: UnsafeMutablePointer<Value>

  /// Moves `value` to the heap.
  ///
  /// - Throws: `outOfFrames`; `value` is then destroyed.
  public init(_ value: consuming Value) throws(TesseraError) {
    let memory = try HeapReservation<Value>.allocate()
    // SAFETY: the memory is new, large enough and aligned.
    unsafe self.init(value, at: memory)
  }

  /// Moves `value` to memory of the heap.
  ///
  /// The caller owns the memory, and gives it up.
  @unsafe init(_ value: consuming Value, at memory: UInt) {
    // SAFETY: forming the pointer accesses nothing.
    let place = unsafe UnsafeMutablePointer<Value>(bitPattern: memory).unsafelyUnwrapped
    // SAFETY: the caller owns the memory, which holds no value.
    unsafe place.initialize(to: value)
    unsafe pointer = place
  }

  /// The value, to which this handle has exclusive access.
  public var value: Value {
    _read {
      // SAFETY: the memory holds a value for as long as the handle lives.
      yield unsafe pointer.pointee
    }
    _modify {
      // SAFETY: as above.
      yield unsafe &pointer.pointee
    }
  }

  /// Relinquishes the value and its memory to the caller.
  @unsafe public consuming func relinquish() -> UnsafeMutablePointer<Value> {
    let pointer = unsafe pointer
    discard self
    return unsafe pointer
  }

  /// Adopts a value that `relinquish()` returned.
  ///
  /// The caller guarantees that it is adopted once.
  @unsafe public init(adopting pointer: UnsafeMutablePointer<Value>) {
    unsafe self.pointer = pointer
  }

  deinit {
    // SAFETY: the memory holds a value, which is not used afterwards.
    unsafe pointer.deinitialize(count: 1)
    unsafe Heap.free(UnsafeMutableRawPointer(pointer))
  }
}
