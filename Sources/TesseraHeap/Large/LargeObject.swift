internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The metadata of the first frame of an object of several pages: contiguous frames, which are
/// addressed in the direct map.
struct LargeObject: FrameMetadata, ~Copyable {
  /// The number of frames, or 0 while the object is being freed.
  ///
  /// Access: atomic, so that of two processors that free the object one is stopped.
  private let frameCount: Atomic<UInt64>

  private init(_ frameCount: Int) { self.frameCount = Atomic(UInt64(frameCount)) }

  static var role: FrameRole { FrameRole(.heap, isUntyped: false) }
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe LargeObject.destroy(at: $0) } }
  static var hasDestructor: Bool { false }

  /// Allocates contiguous frames for `byteCount` bytes, of which there are some. Returns the first.
  ///
  /// - Throws: `outOfFrames`.
  static func allocate(
    byteCount: Int, alignment: Int, isZeroed: Bool
  ) throws(TesseraError) -> FrameSlotReference {
    // The alignment of a frame is that of its address only as far as the direct map has it too.
    guard byteCount <= Int.max - 4095,
      PhysicalMemory.directMapBase & (UInt(alignment) - 1) == 0
    else { throw .outOfFrames }
    let frameCount = (byteCount + 4095) >> 12
    guard UInt64(frameCount) <= FrameTable.frameCount else { throw .outOfFrames }
    let request = FrameRequest(isZeroed: isZeroed, alignment: UInt64(max(4096, alignment)))
    let first = try FrameAllocator.allocateRun(frameCount, request)
    for index in 1..<max(1, frameCount) {
      let slot = first.advanced(by: index)
      slot.initialize(LargeObjectTail(), allocated: true)
      slot.publishUnique()
    }
    first.initialize(LargeObject(frameCount), allocated: true)
    first.publishUnique()
    return first
  }

  /// Whether an object begins with the frame of `slot`.
  static func isHead(_ slot: FrameSlotReference) -> Bool {
    slot.kind.hasSameMetadata(as: .of(LargeObject.self)) && slot.count == ReferenceCount.unique
  }

  /// The number of frames of the object that begins with `slot`, which is in use.
  static func frameCount(_ slot: FrameSlotReference) -> Int {
    // SAFETY: the kind says so, and the object's user keeps it.
    // Ordering: relaxed; it does not change while the object is in use.
    let count = unsafe slot.storage(as: LargeObject.self).pointee.frameCount.load(
      ordering: .relaxed)
    return Int(count)
  }

  /// Frees the object that begins with `slot`. Returns the number of its frames; 0, with nothing
  /// changed, if it is being freed already.
  static func free(_ slot: FrameSlotReference) -> Int {
    // SAFETY: the kind says so.
    let object = unsafe slot.storage(as: LargeObject.self)
    // Ordering: relaxed; only whether it was freed before counts.
    let count = unsafe Int(object.pointee.frameCount.exchange(0, ordering: .relaxed))
    if count > 0 { freeFrames(slot, count) }
    return count
  }

  /// Frees the frames of the object that begins with `slot` from the frame `frameCount` on.
  static func shrink(_ slot: FrameSlotReference, to frameCount: Int) -> Int {
    let old = Self.frameCount(slot)
    guard frameCount < old else { return 0 }
    // SAFETY: the kind says so, and the object's user calls.
    let object = unsafe slot.storage(as: LargeObject.self)
    // Ordering: relaxed; as in `frameCount`.
    unsafe object.pointee.frameCount.store(UInt64(frameCount), ordering: .relaxed)
    freeFrames(slot.advanced(by: frameCount), old - frameCount)
    return old - frameCount
  }

  private static func freeFrames(_ first: FrameSlotReference, _ count: Int) {
    for index in 0..<count { FrameAllocator.makeFree(first.advanced(by: index)) }
    FrameAllocator.freeRun(first, frameCount: count)
  }
}

/// The metadata of the other frames of such an object.
struct LargeObjectTail: FrameMetadata {
  static var role: FrameRole { FrameRole(.heap, isUntyped: false) }
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe LargeObjectTail.destroy(at: $0) } }
  static var hasDestructor: Bool { false }
}
