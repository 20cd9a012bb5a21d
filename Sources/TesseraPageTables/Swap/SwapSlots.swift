internal import Synchronization
package import TesseraFrames
internal import TesseraHardware

/// The slots of the swap store: places for a page each, which entries of page tables refer to.
///
/// Every slot has a word: in the lower half the number of its references, in the upper half the
/// frame that holds its contents for as long as they are in memory, or 0. The word owns a reference
/// of that frame. A slot without references is free, and its word is 0.
///
/// References are owned by entries (`PageTableEntry.swapped`) and by transfers from and to the
/// slot, so that a slot is not used for another page meanwhile.
package enum SwapSlots {
  /// The address of the first word, and the number of words.
  ///
  /// Access: written by `install` and `remove` while nothing is swapped; constant otherwise.
  nonisolated(unsafe) private static var words: (address: UInt, count: UInt32) = (0, 0)
  /// Where the search for a free slot goes on. Access: atomic.
  private static let next = Atomic<UInt32>(0)
  /// The number of slots in use. Access: atomic.
  private static let used = Atomic<UInt32>(0)

  /// Uses `count` words of zeros at `address` in the direct map. No entry refers to a slot.
  ///
  /// The caller owns the memory, and gives it up until `remove`.
  @unsafe package static func install(_ address: UInt, count: UInt32) {
    // SAFETY: nothing is swapped, so that nothing reads it.
    unsafe words = (address, count)
  }

  /// Forgets all slots. No entry refers to one.
  package static func remove() {
    // SAFETY: as in `install`.
    unsafe words = (0, 0)
    // Ordering: relaxed; nothing else uses the slots.
    next.store(0, ordering: .relaxed)
    used.store(0, ordering: .relaxed)
  }

  /// The number of slots.
  package static var count: UInt32 {
    // SAFETY: constant while it is used.
    unsafe words.count
  }

  /// The number of slots that are in use. A statistic.
  package static var usedCount: UInt32 {
    // Ordering: relaxed; a statistic.
    used.load(ordering: .relaxed)
  }

  /// The number of references of `slot`. May be old when it is returned.
  package static func referenceCount(of slot: UInt32) -> UInt32 {
    SwapSlotWord(rawValue: load(slot)).count
  }

  /// Acquires another reference of `slot`, of which the caller has one, or holds the lock of an
  /// entry that has.
  package static func share(_ slot: UInt32) {
    let old = withWord(slot) { word in
      // Ordering: relaxed; the reference that keeps the slot is the caller's.
      word.wrappingAdd(1, ordering: .relaxed).oldValue
    }
    let count = SwapSlotWord(rawValue: old).count
    require(count > 0 && count < .max, "a swap slot was shared that has no reference")
  }

  /// Acquires a reference of `slot`, any one, if `page` is the frame with its contents. Returns
  /// whether it is. The caller keeps the page.
  package static func share(_ slot: UInt32, holding page: FrameSlotReference) -> Bool {
    guard slot < count else { return false }
    var old = load(slot)
    while true {
      let word = SwapSlotWord(rawValue: old)
      guard word.frame == page else { return false }
      require(word.count > 0 && word.count < .max, "a swap slot has a page and no reference")
      if exchange(slot, &old, old &+ 1) { return true }
    }
  }

  /// Drops a reference of `slot`. With the last, the slot is free, and a frame with its contents is
  /// released.
  package static func drop(_ slot: UInt32) {
    var old = load(slot)
    while true {
      let word = SwapSlotWord(rawValue: old)
      require(word.count > 0, "a swap slot lost a reference that it had not")
      let new = word.count == 1 ? 0 : old &- 1
      if exchange(slot, &old, new) {
        guard word.count == 1 else { return }
        // Ordering: relaxed; a statistic.
        used.wrappingSubtract(1, ordering: .relaxed)
        releaseFrame(of: word)
        return
      }
    }
  }

  /// Finds a free slot, with one reference, which is the caller's. Nil if there is none.
  ///
  /// The contents are those of the frame of `page`, of 4 KiB, which acquires a reference for it.
  package static func allocate(for page: FrameSlotReference) -> UInt32? {
    guard let new = SwapSlotWord(count: 1, page) else { return nil }
    let count = self.count
    // Ordering: relaxed; where the search begins does not matter.
    var slot = next.load(ordering: .relaxed)
    for _ in 0..<count {
      if slot >= count { slot = 0 }
      var old: UInt64 = 0
      if load(slot) == 0 {
        page.share()
        if exchange(slot, &old, new.rawValue) {
          // Ordering: relaxed; as above, and a statistic.
          next.store(slot &+ 1, ordering: .relaxed)
          used.wrappingAdd(1, ordering: .relaxed)
          return slot
        }
        // The caller has another reference.
        _ = page.drop()
      }
      slot &+= 1
    }
    return nil
  }
}

// The frame that has the contents of a slot.
extension SwapSlots {
  /// The frame that has the contents of `slot`, with a reference for the caller; nil if none has.
  /// The caller keeps the slot.
  package static func frame(of slot: UInt32) -> PageFrame? {
    while true {
      let word = SwapSlotWord(rawValue: load(slot))
      guard let page = word.frame else { return nil }
      do throws(TesseraError) {
        try page.acquire()
      } catch { continue }
      // SAFETY: the reference has just been acquired, and the frame is a page, as the word says, if
      // that still says so.
      let frame = unsafe PageFrame(adopting: page)
      if SwapSlotWord(rawValue: load(slot)).frame == page { return frame }
    }
  }

  /// Has `page` be the frame with the contents of `slot`, if there is none yet; it then has another
  /// reference. Returns whether it is. The caller keeps the slot.
  package static func keep(_ page: FrameSlotReference, in slot: UInt32) -> Bool {
    var old = load(slot)
    while true {
      let word = SwapSlotWord(rawValue: old)
      guard word.frame == nil, let new = SwapSlotWord(count: word.count, page) else {
        return false
      }
      page.share()
      if exchange(slot, &old, new.rawValue) { return true }
      // The caller has another reference.
      _ = page.drop()
    }
  }

  /// Has no frame be the one with the contents of `slot`, if that was `page`. The caller keeps the
  /// slot, and a reference of the page. Returns whether it was.
  package static func forget(_ page: FrameSlotReference, in slot: UInt32) -> Bool {
    var old = load(slot)
    while true {
      let word = SwapSlotWord(rawValue: old)
      guard word.frame == page, word.count > 0 else { return false }
      if exchange(slot, &old, UInt64(word.count)) {
        let isLast = page.drop()
        require(!isLast, "a page was forgotten that its caller does not keep")
        return true
      }
    }
  }

  /// Whether `page` is the frame with the contents of `slot`. May be old when it is returned.
  package static func holds(_ page: FrameSlotReference, in slot: UInt32) -> Bool {
    slot < count && SwapSlotWord(rawValue: load(slot)).frame == page
  }

  private static func releaseFrame(of word: SwapSlotWord) {
    guard let page = word.frame else { return }
    // SAFETY: the word had this reference, and is gone.
    _ = unsafe PageFrame(adopting: page)
  }
}

// The words.
extension SwapSlots {
  @inline(__always)
  private static func withWord<Result>(
    _ slot: UInt32, _ body: (borrowing Atomic<UInt64>) -> Result
  ) -> Result {
    // SAFETY: constant while slots are used.
    let (address, count) = unsafe words
    require(slot < count, "a swap slot does not exist")
    // SAFETY: the memory was given to `install`, and has `count` words.
    let pointer = unsafe UnsafeMutablePointer<Atomic<UInt64>>(bitPattern: address)
      .unsafelyUnwrapped
    return unsafe body(pointer[Int(slot)])
  }

  private static func load(_ slot: UInt32) -> UInt64 {
    // Ordering: acquiring, pairs with `exchange`: what the frame has, and its metadata.
    withWord(slot) { $0.load(ordering: .acquiring) }
  }

  /// Stores `new` if `old` is still there, and returns whether it was; `old` is then what is there.
  private static func exchange(_ slot: UInt32, _ old: inout UInt64, _ new: UInt64) -> Bool {
    let expected = old
    // Ordering: acquiring and releasing, pairs with itself and with `load`. It is a locked
    // instruction, as is the one that acquires a frame: who acquires a frame and then finds it in
    // the word did so before it was forgotten there.
    let (isExchanged, found) = withWord(slot) {
      $0.compareExchange(expected: expected, desired: new, ordering: .acquiringAndReleasing)
    }
    old = found
    return isExchanged
  }
}

/// The word of a swap slot: how many references it has, and the frame with its contents.
private struct SwapSlotWord {
  let rawValue: UInt64

  init(rawValue: UInt64) { self.rawValue = rawValue }

  /// Nil if the frame is beyond those whose number fits.
  init?(count: UInt32, _ page: FrameSlotReference) {
    let number = page.address.rawValue >> 12
    guard number < UInt64(UInt32.max) else { return nil }
    rawValue = (number + 1) << 32 | UInt64(count)
  }

  var count: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

  var frame: FrameSlotReference? {
    let number = rawValue >> 32
    return number == 0 ? nil : FrameTable.slot(number: number - 1)
  }
}
