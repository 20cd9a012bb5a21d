internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// Memory of Tessera's own for spaces: frames of 64 structures each.
///
/// A frame is allocated for the first structure in it, and freed with the last. Its slot has a bit
/// for each structure. Frames with room for another are in a chain.
enum SpacePool {
  /// Guards the chain and the bits. Held for a few instructions; no other lock is taken meanwhile.
  private static let lock = SpinLock()
  /// The first frame with room. Access: under the lock.
  nonisolated(unsafe) private static var first: FrameSlotReference?

  /// Empties the pool, without freeing what is in it. Called when memory has just been started.
  static func start() {
    // SAFETY: nothing else runs.
    unsafe first = nil
  }

  /// Returns memory for a space, which is not one yet.
  ///
  /// - Throws: `OUT_OF_FRAMES`.
  @unsafe static func allocate() throws(APIError) -> UnsafeMutablePointer<tessera_space> {
    if let place = unsafe take() { return unsafe place }
    do throws(TesseraError) {
      let slot = try UniqueFrame(allocating: SpaceFrame()).relinquishSlot()
      let place = unsafe place(0, in: slot)
      withLock { link(slot) }
      return unsafe place
    } catch { throw APIError(error) }
  }

  /// Frees the memory at `space`, which `allocate` returned and which is no space any more.
  @unsafe static func free(_ space: UnsafeMutablePointer<tessera_space>) {
    guard let slot = unsafe frame(of: space) else { panic("freed a space that is not in the pool") }
    let index = Int(UInt(bitPattern: space) % 4096) / MemoryLayout<tessera_space>.stride
    let isEmpty = withLock {
      // SAFETY: under the lock.
      let metadata = unsafe slot.storage(as: SpaceFrame.self)
      // SAFETY: under the lock.
      let wasFull = unsafe metadata.pointee.used == .max
      // SAFETY: under the lock.
      unsafe metadata.pointee.used &= ~(1 << UInt64(index))
      if wasFull { link(slot) }
      // SAFETY: under the lock.
      let isEmpty = unsafe metadata.pointee.used == 0
      if isEmpty { unlink(slot) }
      return isEmpty
    }
    // SAFETY: the frame was allocated here, and no structure in it is in use.
    if isEmpty { _ = unsafe UniqueFrame<SpaceFrame>(adopting: slot) }
  }

  /// Returns whether the memory at `space` is the pool's.
  @unsafe static func contains(_ space: UnsafeMutablePointer<tessera_space>) -> Bool {
    unsafe frame(of: space) != nil
  }
}

extension SpacePool {
  /// Returns a free structure of a frame that has one.
  @unsafe private static func take() -> UnsafeMutablePointer<tessera_space>? {
    unsafe withLock {
      // SAFETY: under the lock.
      guard let slot = unsafe first else { return nil }
      // SAFETY: under the lock.
      let metadata = unsafe slot.storage(as: SpaceFrame.self)
      let index = unsafe (~metadata.pointee.used).trailingZeroBitCount
      unsafe metadata.pointee.used |= 1 << UInt64(index)
      if unsafe metadata.pointee.used == .max { unlink(slot) }
      return unsafe place(index, in: slot)
    }
  }

  @unsafe private static func place(
    _ index: Int, in slot: FrameSlotReference
  ) -> UnsafeMutablePointer<tessera_space> {
    let start = unsafe PhysicalMemory.pointer(to: slot.address)
    return unsafe start.assumingMemoryBound(to: tessera_space.self) + index
  }

  /// The frame of the pool that contains `space`; nil if it lies elsewhere.
  @unsafe private static func frame(
    of space: UnsafeMutablePointer<tessera_space>
  ) -> FrameSlotReference? {
    let offset = UInt(bitPattern: space) &- PhysicalMemory.directMapBase
    guard let address = PhysicalAddress(exactly: UInt64(offset) & ~4095),
      let slot = try? FrameTable.slot(at: address),
      slot.kind.hasSameMetadata(as: .of(SpaceFrame.self))
    else { return nil }
    return slot
  }

  /// Adds a frame to the chain. Under the lock.
  private static func link(_ slot: FrameSlotReference) {
    // SAFETY: under the lock.
    let metadata = unsafe slot.storage(as: SpaceFrame.self)
    unsafe metadata.pointee.next = first
    unsafe metadata.pointee.previous = nil
    // SAFETY: under the lock.
    if let next = unsafe first { unsafe next.storage(as: SpaceFrame.self).pointee.previous = slot }
    // SAFETY: under the lock.
    unsafe first = slot
  }

  /// Removes a frame from the chain. Under the lock.
  private static func unlink(_ slot: FrameSlotReference) {
    // SAFETY: under the lock.
    let metadata = unsafe slot.storage(as: SpaceFrame.self)
    let (next, previous) = unsafe (metadata.pointee.next, metadata.pointee.previous)
    // SAFETY: under the lock.
    if let next { unsafe next.storage(as: SpaceFrame.self).pointee.previous = previous }
    guard let previous else {
      // SAFETY: under the lock.
      unsafe first = next
      return
    }
    // SAFETY: under the lock.
    unsafe previous.storage(as: SpaceFrame.self).pointee.next = next
  }

  @inline(__always)
  private static func withLock<Result>(_ body: () -> Result) -> Result {
    let interrupts = lock.lock()
    let result = body()
    lock.unlock(interrupts)
    return result
  }
}

/// The metadata of a frame with memory for spaces. Access: under the pool's lock.
struct SpaceFrame: FrameMetadata {
  /// A bit for each structure that is in use.
  fileprivate var used: UInt64 = 1
  fileprivate var next: FrameSlotReference?
  fileprivate var previous: FrameSlotReference?

  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe SpaceFrame.destroy(at: $0) } }
  static var role: FrameRole { FrameRole(.metadata, isUntyped: false) }
}
