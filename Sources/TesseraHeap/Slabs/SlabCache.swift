internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The slabs of one size class that belong to one processor.
///
/// Objects are allocated from the current slab, the lowest address first. Slabs with free objects
/// besides are in a list; full ones are in none, and enter it at its end with the first of their
/// objects that is freed: until they are at its start, more of them are. One empty slab stays in
/// the list, and others are freed.
///
/// Access: by the owner, with interrupts off, but for the counters.
///
/// SAFETY: safe to use, because what it points to is its own slab's or its record's.
@safe
struct SlabCache: ~Copyable {
  /// The current group of 64 objects: the word of their bits, or `noObjects`.
  private var bits: UnsafePointer<Atomic<UInt64>>
  /// The address of the first of them.
  private var base: UInt
  /// The size of an object, in bytes.
  let byteCount: Int
  /// See `SizeClass.reciprocal(of:)`.
  private let reciprocal: UInt64
  /// The offset of a slab's last object.
  private let lastOffset: UInt64
  /// The last group of a slab, and its bits if the slab is empty.
  private let lastGroup: Int
  private let lastBits: UInt64

  private(set) var current: FrameSlotReference?
  private var partial = SlabList()
  /// The number of empty slabs in the list: 1 at most, but for those that were just added.
  private var emptyCount = 0
  /// What `freedCount` was when empty slabs were freed last; something else after a new slab came.
  ///
  /// Access: atomic, written by the owner.
  private let countAtTrim = Atomic<UInt64>(0)
  private let sizeClass: Int

  /// Counters, since the start. Access: atomic, written by the owner.
  let allocatedCount = Atomic<UInt64>(0)
  let freedCount = Atomic<UInt64>(0)
  let slabCount = Atomic<UInt64>(0)

  /// An empty cache of class `number`. `noObjects` is a word of bits that is always zero.
  @unsafe init(sizeClass number: Int, noObjects: UnsafePointer<Atomic<UInt64>>) {
    unsafe bits = noObjects
    base = 0
    sizeClass = number
    byteCount = SizeClass.byteCount(of: number)
    reciprocal = SizeClass.reciprocal(of: number)
    let objectCount = SizeClass.objectCount(of: number)
    lastOffset = UInt64((objectCount - 1) * byteCount)
    lastGroup = (objectCount - 1) / 64
    lastBits = .max >> UInt64((64 - objectCount % 64) % 64)
  }
}

extension SlabCache {
  /// Allocates an object of the current group. Returns its address, or 0 if none is free there.
  @inline(__always)
  mutating func pop() -> UInt {
    // SAFETY: the word is that of a slab that is this cache's, or of `noObjects`.
    // Ordering: relaxed; only this processor writes it.
    let free = unsafe bits.pointee.load(ordering: .relaxed)
    guard free != 0 else { return 0 }
    // SAFETY: as above.
    // Ordering: relaxed; see above.
    unsafe bits.pointee.store(free & (free &- 1), ordering: .relaxed)
    Self.increment(allocatedCount)
    return base &+ UInt(bitPattern: free.trailingZeroBitCount &* byteCount)
  }

  /// How an attempt to free an object ended.
  enum Push {
    /// It is freed.
    case done
    /// It is freed, and the slab must be noted, by `noteFreed(in:)`.
    case changesSlab
    /// No object that is in use begins there. Nothing was changed.
    case notFreed
  }

  /// Frees the object at `offset` in the slab `slot`, one of this cache.
  @inline(__always)
  func push(_ offset: UInt64, of slot: FrameSlotReference) -> Push {
    let product = offset &* reciprocal
    guard UInt32(truncatingIfNeeded: product) < UInt32(truncatingIfNeeded: reciprocal),
      offset <= lastOffset
    else { return .notFreed }
    let index = Int(truncatingIfNeeded: product >> 32)
    let group = index >> 6
    let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: index)
    let old = slot.freeBits(ofGroup: group)
    guard old & bit == 0 else { return .notFreed }
    let new = old | bit
    slot.setFreeBits(new, ofGroup: group)
    Self.increment(freedCount)
    if current?.bits ?? 0 == slot.bits { return .done }
    return old == 0 || new == lastBits || new == .max ? .changesSlab : .done
  }

  /// Puts the slab, which is not the current one, into the list if it is not there, and frees it if
  /// it is empty and not needed. Turns interrupts on if `interrupts`.
  @inline(never)
  mutating func noteFreed(in slot: FrameSlotReference, restoring interrupts: Bool) {
    if !slot.isLinked { partial.append(slot) }
    if isEmpty(slot) {
      if emptyCount == 0 { emptyCount = 1 } else { release(slot) }
    }
    Processor.restoreInterrupts(interrupts)
  }

  /// Whether a slab may have become empty since empty ones were freed last. By any processor.
  var mayHaveEmpty: Bool {
    // Ordering: relaxed; a hint.
    freedCount.load(ordering: .relaxed) != countAtTrim.load(ordering: .relaxed)
  }

  /// Counts one up. No locked instruction, because no other processor writes the counter.
  @inline(__always)
  private static func increment(_ counter: borrowing Atomic<UInt64>, by number: UInt64 = 1) {
    // Ordering: relaxed; a statistic.
    counter.store(counter.load(ordering: .relaxed) &+ number, ordering: .relaxed)
  }

  private func isEmpty(_ slot: FrameSlotReference) -> Bool {
    for group in 0..<lastGroup where slot.freeBits(ofGroup: group) != .max { return false }
    return slot.freeBits(ofGroup: lastGroup) == lastBits
  }
}

extension SlabCache {
  /// Makes objects of this processor's slabs available to `pop()`. Returns false if none is free.
  mutating func refill() -> Bool {
    if let current, select(current) { return true }
    // The current slab stays what it is until there is another, since `bits` is its own.
    guard let slot = partial.first else { return false }
    if isEmpty(slot) { emptyCount -= 1 }
    partial.remove(slot)
    current = slot
    require(select(slot), "a slab of the heap's list has no free object", slot.address)
    return true
  }

  /// Makes a group of the current slab `slot` the one that objects are allocated from. Returns
  /// false if all its objects are allocated.
  private mutating func select(_ slot: FrameSlotReference) -> Bool {
    for number in 0...lastGroup where slot.freeBits(ofGroup: number) != 0 {
      // SAFETY: the slab stays this cache's while it is current.
      unsafe bits = UnsafePointer(slot.slabGroup(number))
      base = slot.objectAddress(number * 64 * byteCount)
      return true
    }
    return false
  }

  /// Adds an empty slab, whose metadata is new, for the processor `owner`.
  mutating func add(_ slot: FrameSlotReference, owner: Int) {
    for group in 0..<lastGroup { slot.setFreeBits(.max, ofGroup: group) }
    slot.setFreeBits(lastBits, ofGroup: lastGroup)
    slot.setSlabPlace(SlabPlace(owner: owner, sizeClass: sizeClass))
    if SimulationHooks.poisonsFreedFrames { ObjectGuard.poison(slot.objectAddress(0), 4096) }
    partial.append(slot)
    emptyCount += 1
    // Ordering: relaxed; a hint for others, and only this processor writes the counter.
    countAtTrim.store(freedCount.load(ordering: .relaxed) &- 1, ordering: .relaxed)
    Self.increment(slabCount)
  }

  /// Frees the empty slab `slot`, which is in the list.
  private mutating func release(_ slot: FrameSlotReference) {
    partial.remove(slot)
    retire(slot)
  }

  private mutating func retire(_ slot: FrameSlotReference) {
    Self.increment(slabCount, by: .max)
    slot.retire()
  }

  /// Frees all empty slabs. Returns whether there were any. `noObjects` is as for `init`.
  @unsafe mutating func trim(noObjects: UnsafePointer<Atomic<UInt64>>) -> Bool {
    // Ordering: relaxed; a hint for others, and only this processor writes the counter.
    countAtTrim.store(freedCount.load(ordering: .relaxed), ordering: .relaxed)
    // Ordering: relaxed; only this processor writes it.
    let countBefore = slabCount.load(ordering: .relaxed)
    var next = partial.first
    while let slot = next, emptyCount > 0 {
      next = slot.slabPlace.next
      guard isEmpty(slot) else { continue }
      emptyCount -= 1
      release(slot)
    }
    if let slot = current, isEmpty(slot) {
      unsafe bits = noObjects
      current = nil
      retire(slot)
    }
    // Ordering: relaxed; only this processor writes it.
    return slabCount.load(ordering: .relaxed) != countBefore
  }
}

extension FrameSlotReference {
  /// The address in the direct map of the byte at `offset` in the frame.
  @inline(__always)
  func objectAddress(_ offset: Int) -> UInt {
    PhysicalMemory.directMapBase &+ UInt(truncatingIfNeeded: address.rawValue)
      &+ UInt(bitPattern: offset)
  }
}
