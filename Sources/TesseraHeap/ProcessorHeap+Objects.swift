internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

// Allocation and free on the processor that a heap belongs to. All of it with interrupts off.
extension ProcessorHeap {
  /// Allocates an object of the class, from the current slab. Returns 0 if that has none free.
  @inline(__always)
  func pop(_ sizeClass: Int) -> UInt {
    // SAFETY: with interrupts off nothing else uses the cache.
    unsafe cache(sizeClass).pointee.pop()
  }

  /// Allocates an object of the class when the current slab has none free, from any slab of this
  /// processor. Returns 0 if all objects of all of them are in use.
  func popAfterRefill(_ sizeClass: Int) -> UInt {
    takeFreedByOthers()
    // SAFETY: as in `pop`.
    return unsafe cache(sizeClass).pointee.refill() ? pop(sizeClass) : 0
  }

  /// Makes the frame a slab of the class, and its objects available.
  func add(_ frame: consuming UniqueFrame<Slab>, _ sizeClass: Int) {
    // SAFETY: as in `pop`.
    unsafe cache(sizeClass).pointee.add(frame.relinquishSlot(), owner: Processor.current)
  }

  /// Frees the object at the physical address `address`, in the slab `slot`. Returns false, with
  /// nothing changed, if there is none, or it is free, or the slab belongs to another processor.
  static func free(_ address: UInt64, in slot: FrameSlotReference) -> Bool {
    let place = slot.slabPlace
    guard place.owner == Processor.current, let heap = ProcessorHeap(of: place.owner) else {
      return false
    }
    let end = heap.push(address, in: slot, place.sizeClass)
    if end == .changesSlab { heap.noteFreed(in: slot, place.sizeClass, restoring: false) }
    return end != .notFreed
  }

  /// Frees the object at the physical address `address`, in the slab `slot` of the class, one of
  /// this processor's.
  @inline(__always)
  func push(_ address: UInt64, in slot: FrameSlotReference, _ sizeClass: Int) -> SlabCache.Push {
    // SAFETY: as in `pop`.
    unsafe cache(sizeClass).pointee.push(address & 4095, of: slot)
  }

  /// Does what remains after `push` has changed what the slab `slot` of the class is, and turns
  /// interrupts on if `interrupts`.
  @inline(__always)
  func noteFreed(in slot: FrameSlotReference, _ sizeClass: Int, restoring interrupts: Bool) {
    // SAFETY: as in `pop`.
    unsafe cache(sizeClass).pointee.noteFreed(in: slot, restoring: interrupts)
  }

  /// Frees the empty slabs of this processor. Returns whether there were any.
  func trim() -> Bool {
    takeFreedByOthers()
    var isTrimmed = false
    for number in 0..<SizeClass.count {
      // SAFETY: as in `pop`, and the word is the record's.
      if unsafe cache(number).pointee.trim(noObjects: noObjects) { isTrimmed = true }
    }
    return isTrimmed
  }

  /// Whether `trim` may free something, on the processor of this heap. By any processor.
  var mayTrim: Bool {
    if hasFreedByOthers { return true }
    for number in 0..<SizeClass.count {
      // SAFETY: the counters are atomic.
      if unsafe cache(number).pointee.mayHaveEmpty { return true }
    }
    return false
  }
}

extension ProcessorHeap {
  /// Frees all slabs, which are empty. Nothing else runs. Panics if an object is in use.
  func stop() {
    while hasFreedByOthers { takeFreedByOthers() }
    for number in 0..<SizeClass.count {
      // SAFETY: nothing else runs.
      let cache = unsafe cache(number)
      _ = unsafe cache.pointee.trim(noObjects: noObjects)
      // Ordering: relaxed; nothing else runs.
      let left = unsafe cache.pointee.slabCount.load(ordering: .relaxed)
      require(left == 0, "the heap was stopped with an object in use")
    }
  }
}

// Objects that other processors free.
extension ProcessorHeap {
  /// Passes the object at `address`, which is one of this heap's, to its owner. By any processor.
  func pushFreed(_ address: UInt) {
    // SAFETY: the object is free, so that its memory is the heap's.
    let link = unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    // SAFETY: the record is atomic here.
    // Ordering: relaxed; it is only compared.
    var first = unsafe freedByOthers.pointee.load(ordering: .relaxed)
    while true {
      unsafe PhysicalMemory.storeWord(keyed(UInt64(first), at: address), to: link)
      // Ordering: releasing, pairs with the exchange in `takeFreedByOthers`: the link, and what its
      // last user wrote, come before. Relaxed on failure: it is only compared.
      let (isDone, found) = unsafe freedByOthers.pointee.weakCompareExchange(
        expected: first, desired: address, successOrdering: .releasing, failureOrdering: .relaxed)
      if isDone { return }
      first = found
    }
  }

  /// Frees the objects that other processors freed, a limited number at a time, since interrupts
  /// are off.
  func takeFreedByOthers() {
    // SAFETY: the words are atomic.
    let record = unsafe header
    // Ordering: relaxed; only the owner writes it.
    var address = unsafe record.pointee.pending.load(ordering: .relaxed)
    if address == 0 {
      // SAFETY: as above.
      // Ordering: relaxed; a hint, which spares the locked instruction.
      if unsafe freedByOthers.pointee.load(ordering: .relaxed) == 0 { return }
      // Ordering: acquiring, pairs with the exchange in `pushFreed`.
      address = unsafe freedByOthers.pointee.exchange(0, ordering: .acquiring)
    }
    var left = Self.batch
    while address != 0 && left > 0 {
      address = takeFreed(address)
      left -= 1
    }
    // SAFETY: as above.
    // Ordering: relaxed; see above.
    unsafe record.pointee.pending.store(address, ordering: .relaxed)
  }

  /// Whether other processors have freed objects that were not taken back.
  var hasFreedByOthers: Bool {
    // SAFETY: the words are atomic.
    // Ordering: relaxed; a hint.
    unsafe header.pointee.pending.load(ordering: .relaxed) != 0
      || freedByOthers.pointee.load(ordering: .relaxed) != 0
  }

  /// The number of objects that are taken at a time: some 10,000 instructions.
  private static var batch: Int { 256 }

  /// Frees the object at `address`, which another processor freed. Returns the next one, or 0.
  private func takeFreed(_ address: UInt) -> UInt {
    guard let place = ObjectPlace(at: address), case .slab(let slab) = place,
      slab.owner == Processor.current, slab.isStart
    else { panicOnLink(to: address) }
    // SAFETY: the object was freed, so that its memory is the heap's.
    let memory = unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
    let next = keyed(unsafe PhysicalMemory.loadWord(from: memory), at: address)
    if SimulationHooks.poisonsFreedFrames { ObjectGuard.poison(address, 8) }
    if !ProcessorHeap.free(slab.physicalAddress, in: slab.slot) { place.panicOnFree(of: address) }
    return UInt(truncatingIfNeeded: next)
  }

  private func panicOnLink(to address: UInt) -> Never {
    panic(
      "an object of the heap was written to after it was freed; its link is", at: UInt64(address))
  }

  /// The link `word` as it is stored in the object at `address`, and back.
  private func keyed(_ word: UInt64, at address: UInt) -> UInt64 {
    // SAFETY: the key is constant.
    unsafe word ^ header.pointee.key ^ UInt64(address) << 20
  }
}
