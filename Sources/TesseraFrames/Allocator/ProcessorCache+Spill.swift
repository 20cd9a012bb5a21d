// How a full cache returns its oldest batch to the zones, in four steps, with interrupts off: the
// frames are joined into runs in the place where they are; these are freed under the lock; after
// it, the other frames move down.
extension ProcessorCache {
  /// Replaces the oldest batch of a full cache by the runs of its frames, whose kind is then
  /// `plain`. Returns their number, which is 0 if the cache is not full.
  mutating func joinOldest() -> Int {
    guard isFull else { return 0 }
    var runCount = 0
    // A run is stored once its frames and the one after them have been read.
    visitOldest(Self.batch) { run in
      setRun(run, at: runCount)
      runCount &+= 1
    }
    return runCount
  }

  /// Frees the first `runCount` runs, into which the oldest batch was joined. Under the lock.
  mutating func freeOldest(_ runCount: Int, to state: inout FrameAllocatorState) {
    for index in 0..<runCount { state.freeRun(run(at: index)) }
    count = Self.capacity - Self.batch
  }

  /// Moves the frames that are left to the places of the batch that was freed.
  mutating func closeGap() {
    // The bounds are constants, so the loop has no check per frame.
    for index in 0..<Self.capacity - Self.batch { self[index] = self[index + Self.batch] }
  }

  /// One less than the number of frames of a run, in bits that are 0 in the address of a slot.
  private static var lengthBits: UInt { 63 }

  private func setRun(_ run: FrameRun, at index: Int) {
    let length = (run.end.bits &- run.first.bits) / UInt(MemoryLayout<FrameSlot>.stride)
    let word = run.first.bits | (length &- 1)
    // SAFETY: a frame and a run are one word each, and what is stored is read by `run(at:)` only.
    unsafe UnsafeMutableRawPointer(element(index)).storeBytes(of: word, as: UInt.self)
  }

  private func run(at index: Int) -> FrameRun {
    // SAFETY: `setRun` has stored a word here.
    let word = unsafe UnsafeRawPointer(element(index)).load(as: UInt.self)
    // SAFETY: the address is that of a slot; slots are aligned to their size, 64.
    let first = unsafe FrameSlotReference(
      UnsafeMutablePointer(bitPattern: word & ~Self.lengthBits).unsafelyUnwrapped)
    return FrameRun(first, frameCount: Int(word & Self.lengthBits) + 1)
  }
}
