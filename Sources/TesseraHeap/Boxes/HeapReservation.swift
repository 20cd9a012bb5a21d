public import TesseraHardware

/// Memory for a number of values of one type, allocated before it is known whether all of it is
/// needed.
///
/// An operation that must not fail halfway reserves first, and takes what it needs as it goes on.
/// Destroying a reservation frees what was not taken.
@frozen
public struct HeapReservation<Value: ~Copyable>: ~Copyable {
  /// The address of the first place, each of which begins with the address of the next; 0 at the
  /// end.
  private var first: UInt = 0

  /// The number of values for which there is memory.
  public private(set) var count = 0

  /// Reserves memory for `count` values. `count` may be zero.
  ///
  /// - Throws: `outOfFrames`; nothing is reserved then.
  public init(count: Int) throws(TesseraError) {
    for _ in 0..<count {
      let place = try Self.allocate()
      // SAFETY: the place is new, and has room for a word.
      unsafe Self.pointer(to: place).storeBytes(of: first, as: UInt.self)
      first = place
      self.count += 1
    }
  }

  /// Moves `value` to memory of the reservation.
  ///
  /// - Precondition: The reservation is not used up.
  public mutating func take(_ value: consuming Value) -> HeapBox<Value> {
    require(count > 0, "a reservation of the heap is used up")
    // SAFETY: the place is the reservation's no more.
    return unsafe HeapBox(value, at: removeFirst())
  }

  deinit {
    var place = first
    while place != 0 {
      // SAFETY: the place is the reservation's, and begins with the address of the next.
      let next = unsafe Self.pointer(to: place).load(as: UInt.self)
      unsafe Heap.free(Self.pointer(to: place))
      place = next
    }
  }

  private mutating func removeFirst() -> UInt {
    let place = first
    // SAFETY: as above.
    first = unsafe Self.pointer(to: place).load(as: UInt.self)
    count -= 1
    return place
  }

  /// Allocates memory for a value. Returns its address.
  static func allocate() throws(TesseraError) -> UInt {
    // SAFETY: the memory is the caller's.
    let memory = unsafe try Heap.allocate(
      byteCount: max(MemoryLayout<UInt>.size, MemoryLayout<Value>.size),
      alignment: max(Heap.leastAlignment, MemoryLayout<Value>.alignment))
    return UInt(bitPattern: memory)
  }

  @unsafe private static func pointer(to place: UInt) -> UnsafeMutableRawPointer {
    unsafe UnsafeMutableRawPointer(bitPattern: place).unsafelyUnwrapped
  }
}
