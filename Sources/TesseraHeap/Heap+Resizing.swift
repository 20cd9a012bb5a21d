internal import TesseraFrames
public import TesseraHardware

extension Heap {
  /// The number of bytes of the object that begins at `object` which its user may use: at least as
  /// many as were asked for.
  ///
  /// - Precondition: The object is in use. What is found to be wrong panics.
  public static func byteCount(of object: UnsafeMutableRawPointer) -> Int {
    let address = UInt(bitPattern: object)
    return ObjectGuard.byteCount(at: address, capacity(of: address))
  }

  /// Makes the object that begins at `object` have at least `byteCount` bytes. Returns its address,
  /// which may be another: the bytes up to the smaller of both sizes are the same, and the old
  /// address is not the caller's any more.
  ///
  /// - Precondition: As for `free`; `byteCount` is not negative.
  /// - Throws: `outOfFrames`; the object is then as it was.
  public static func resize(
    _ object: UnsafeMutableRawPointer, byteCount: Int, caller: UInt64 = 0
  ) throws(TesseraError) -> UnsafeMutableRawPointer {
    require(byteCount >= 0, "the size of an object is negative")
    let address = UInt(bitPattern: object)
    let capacity = capacity(of: address)
    let total = max(1, ObjectGuard.byteCount(toGuard: byteCount))
    // Before a part of it is freed.
    ObjectGuard.check(address, capacity)
    let used = ObjectGuard.byteCount(at: address, capacity)
    if let fitting = resizeInPlace(address, capacity, to: total) {
      ObjectGuard.arm(address, fitting, byteCount: byteCount, caller: caller)
      // SAFETY: the object is the caller's.
      return unsafe object
    }
    // SAFETY: the other object is this function's, and then the caller's.
    let other = unsafe try allocate(byteCount: byteCount, caller: caller)
    // SAFETY: both objects are the caller's, and have so many bytes.
    unsafe HeapMemory.copy(
      from: address, to: UInt(bitPattern: other), byteCount: min(used, byteCount))
    // SAFETY: the object is the caller's, who gives it up.
    unsafe free(object)
    return unsafe other
  }

  /// Changes the number of bytes that the object at `address` takes to what `byteCount` needs, if
  /// it can stay where it is. Returns the new number, or nil if it cannot.
  private static func resizeInPlace(
    _ address: UInt, _ capacity: Int, to byteCount: Int
  ) -> Int? {
    guard byteCount <= capacity else { return nil }
    if let number = SizeClass.number(of: byteCount, alignment: 1) {
      return SizeClass.byteCount(of: number) == capacity ? capacity : nil
    }
    let pages = (byteCount + 4095) >> 12
    if pages << 12 == capacity { return capacity }
    guard case .run(let slot, _)? = ObjectPlace(at: address), !MappedObject.isInArea(address) else {
      return nil
    }
    HeapCounters.countLarge(-LargeObject.shrink(slot, to: pages))
    return pages << 12
  }

  /// The number of bytes that the object at `address` takes, which is in use. Panics if there is
  /// none.
  package static func capacity(of address: UInt) -> Int {
    if MappedObject.isInArea(address) {
      let count = MappedObject.pageCount(at: address)
      if count > 0 { return count << 12 }
    } else if let place = ObjectPlace(at: address) {
      switch place {
      case .slab(let object): if object.isStart && !object.isFree { return object.byteCount }
      case .run(let slot, let offset):
        if offset == 0, LargeObject.isHead(slot) { return LargeObject.frameCount(slot) << 12 }
      case .foreign: break
      }
    }
    panic("no object in use begins at the address", at: UInt64(address))
  }
}
