internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The metadata of a slab: a frame that is full of objects of one size class.
///
/// Nothing is stored in the slab's memory but the objects, so that the address of an object alone
/// leads to all that is known of it, and a program that writes beyond an object destroys other
/// objects, but not the heap.
///
///     offset  0  bits   one for each object, 1 if it is free; objects 0...63 in the first word
///            32  place  the owner, the class, and the next slab of the owner's list
struct Slab: FrameMetadata {
  /// The words, which are accessed as described at the functions of the slot below.
  private let words = [5 of UInt64](repeating: 0)

  static var role: FrameRole { FrameRole(.slab, isUntyped: false) }
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe Slab.destroy(at: $0) } }
  static var hasDestructor: Bool { false }

  /// The number of words of bits.
  static var groupCount: Int { 4 }
  fileprivate static var placeOffset: Int { 32 }
}

/// Which processor a slab belongs to, and what it is there.
///
/// | Bits    | Meaning                                                        |
/// |---------|----------------------------------------------------------------|
/// | 7...0   | the size class                                                 |
/// | 47...8  | the number of the next slab of a list, plus 1; 0 if none       |
/// | 63...48 | the owner: the number of a processor                           |
struct SlabPlace: Equatable {
  let rawValue: UInt64

  private static var linkMask: UInt64 { ((1 << 40) - 1) << 8 }

  @inline(__always)
  init(rawValue: UInt64) { self.rawValue = rawValue }

  init(owner: Int, sizeClass: Int) {
    rawValue = UInt64(owner) << 48 | UInt64(sizeClass)
  }

  @inline(__always)
  var owner: Int { Int(truncatingIfNeeded: rawValue >> 48) }

  @inline(__always)
  var sizeClass: Int { Int(UInt8(truncatingIfNeeded: rawValue)) }

  /// The next slab of the list.
  var next: FrameSlotReference? {
    let link = (rawValue & Self.linkMask) >> 8
    return link == 0 ? nil : FrameTable.slot(number: link - 1)
  }

  /// The same place, before `next`.
  func linked(to next: FrameSlotReference?) -> SlabPlace {
    let link = next.map { FrameTable.number(of: $0) + 1 } ?? 0
    return SlabPlace(rawValue: rawValue & ~Self.linkMask | link << 8)
  }
}

// A slab, by the slot of its frame, whose kind is a slab's.
extension FrameSlotReference {
  /// The word of bits of objects `64 * group` and later.
  ///
  /// Access: atomic, written by the owner with interrupts off; read by others.
  @inline(__always)
  @unsafe func slabGroup(_ group: Int) -> UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: the storage begins with the words of bits, and there are more than `group`.
    unsafe storage(as: Atomic<UInt64>.self) + group
  }

  /// The bits of objects `64 * group` and later.
  @inline(__always)
  func freeBits(ofGroup group: Int) -> UInt64 {
    // SAFETY: the frame is a slab.
    // Ordering: relaxed; the owner wrote them. To others a bit is that of an object they have.
    unsafe slabGroup(group).pointee.load(ordering: .relaxed)
  }

  /// Sets the bits of objects `64 * group` and later. By the owner.
  @inline(__always)
  func setFreeBits(_ bits: UInt64, ofGroup group: Int) {
    // SAFETY: the frame is a slab.
    // Ordering: relaxed; another processor gets an object by other means, which order this.
    unsafe slabGroup(group).pointee.store(bits, ordering: .relaxed)
  }

  /// Whose the slab is. Access: as for the bits.
  @inline(__always)
  var slabPlace: SlabPlace {
    // SAFETY: the frame is a slab.
    // Ordering: relaxed; owner and class were set before the first object was given out.
    unsafe SlabPlace(rawValue: storedPlace.pointee.load(ordering: .relaxed))
  }

  @inline(__always)
  @unsafe private var storedPlace: UnsafeMutablePointer<Atomic<UInt64>> {
    // SAFETY: the storage has a word there.
    unsafe storage(as: Atomic<UInt64>.self, at: Slab.placeOffset)
  }

  /// Sets the place. By the owner.
  func setSlabPlace(_ place: SlabPlace) {
    // SAFETY: the frame is a slab.
    // Ordering: relaxed; see the getter.
    unsafe storedPlace.pointee.store(place.rawValue, ordering: .relaxed)
  }

  /// The number of free objects of the slab.
  var freeObjectCount: Int {
    var count = 0
    for group in 0..<Slab.groupCount { count += freeBits(ofGroup: group).nonzeroBitCount }
    return count
  }
}
