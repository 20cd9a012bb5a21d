internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// The slabs of one processor: the objects that it allocates.
///
/// A processor allocates from its own slabs, and frees to them, with interrupts off and without a
/// lock or a locked instruction. An object of another processor's slab is passed to its owner, in a
/// list that any processor may push to, linked through the objects themselves. The owner takes the
/// whole list when it has no free object of a class left.
///
/// This is a view of the frame where the record is. It is made by the first allocation of its
/// processor, and stays until `Heap.stop()`.
///
///     offset    0  the objects that other processors freed    written by all
///              64  the header
///             128  for each size in units of 16 bytes, the number of its class
///             320  the caches, one for each class
///
/// SAFETY: safe to use, because the frame is the record's for as long as there is a view of it.
@safe
struct ProcessorHeap {
  private let memory: UnsafeMutableRawPointer

  struct Header: ~Copyable {
    /// What links of freed objects are combined with, so that a program that writes to a freed
    /// object is noticed.
    let key: UInt64
    /// The bits of no objects.
    let noObjects = Atomic<UInt64>(0)
    /// An object of those that others freed, from which the owner goes on; or 0.
    ///
    /// Access: atomic, written by the owner.
    let pending = Atomic<UInt>(0)
  }

  private static var headerOffset: Int { 64 }
  private static var numbersOffset: Int { 128 }
  private static var cachesOffset: Int { 320 }
}

// Finding the heap of a processor, and making it.
extension ProcessorHeap {
  // SAFETY: zero bytes are no heap, and the word is atomic.
  private static let heaps = unsafe PerProcessor<HeapPlace>()

  /// The heap of `processor`, if it has one.
  @inline(__always)
  init?(of processor: Int) {
    // Ordering: acquiring, pairs with the store in `install`.
    let address = Self.heaps[processor].address.load(ordering: .acquiring)
    // SAFETY: forming the pointer accesses nothing.
    guard let memory = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return nil }
    // SAFETY: `install` stored the address of a record.
    unsafe self.memory = memory
  }

  /// The heap of `processor`, if it has one and is one of the first, whose heaps are found without
  /// a call.
  @inline(__always)
  init?(ofFirst processor: Int) {
    guard Self.isFirst(processor) else { return nil }
    self.init(of: processor)
  }

  /// Whether the heap of `processor` is found without a call.
  @inline(__always)
  static func isFirst(_ processor: Int) -> Bool { PerProcessor<HeapPlace>.isStatic(processor) }

  /// The heap of `processor`, which has one: a slab is its own.
  @inline(__always)
  @unsafe init(ofOwner processor: Int) {
    // Ordering: relaxed; the calling processor, which this is, stored it itself.
    let address = Self.heaps[processor].address.load(ordering: .relaxed)
    // SAFETY: `install` stored the address of a record.
    unsafe memory = UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// Makes a heap for a processor that has none. With interrupts as they were, since it takes long.
  ///
  /// - Throws: `outOfFrames`.
  static func makeRecord() throws(TesseraError) -> UniqueFrame<HeapRecord> {
    let frame = try UniqueFrame(allocating: HeapRecord(), .uninitialized)
    // SAFETY: the frame is this record's, and aligned.
    _ = unsafe ProcessorHeap(initializing: PhysicalMemory.pointer(to: frame.address))
    return frame
  }

  /// Makes `frame` the heap of the calling processor, unless it has one. With interrupts off.
  static func install(_ frame: consuming UniqueFrame<HeapRecord>) {
    let processor = Processor.current
    guard ProcessorHeap(of: processor) == nil else { return }
    let address = frame.relinquishSlot().objectAddress(0)
    // Ordering: releasing, pairs with the load in `init`: the record is complete.
    heaps[processor].address.store(address, ordering: .releasing)
  }

  /// Removes and returns the frame of the heap of `processor`, which has no slabs. Nothing runs.
  static func remove(_ processor: Int) -> UniqueFrame<HeapRecord>? {
    // Ordering: relaxed; nothing else runs.
    let address = heaps[processor].address.exchange(0, ordering: .relaxed)
    guard address != 0 else { return nil }
    let physical = UInt64(address &- PhysicalMemory.directMapBase)
    // SAFETY: `install` relinquished the reference.
    return unsafe UniqueFrame(adopting: FrameTable.slot(number: physical >> 12))
  }

  /// Forgets all heaps, whose memory is no more. Nothing runs.
  static func forgetAll() {
    for processor in 0..<Processor.limit {
      // Ordering: relaxed; nothing else runs.
      heaps[processor].address.store(0, ordering: .relaxed)
    }
  }

  private struct HeapPlace: PerProcessorValue, ~Copyable {
    static var variable: PerProcessorVariable { .heap }
    /// The address of the record, or 0. Access: atomic, written by its processor.
    let address: Atomic<UInt>
  }

  /// Makes the 4096 bytes at `memory` a record.
  @unsafe private init(initializing memory: UnsafeMutableRawPointer) {
    unsafe self.memory = memory
    unsafe freedByOthers.initialize(to: Atomic(0))
    unsafe header.initialize(to: Header(key: Self.makeKey()))
    for granules in 0...SizeClass.largestByteCount / SizeClass.granule {
      let byteCount = max(1, granules * SizeClass.granule)
      let number = SizeClass.number(of: byteCount, alignment: 1) ?? 0
      unsafe memory.storeBytes(
        of: UInt8(number), toByteOffset: Self.numbersOffset + granules, as: UInt8.self)
    }
    for number in 0..<SizeClass.count {
      unsafe cache(number).initialize(to: SlabCache(sizeClass: number, noObjects: noObjects))
    }
  }

  /// A number that programs do not know, from the time that has passed and the place of the stack.
  private static func makeKey() -> UInt64 {
    var key = Processor.timestamp &* 0x9e37_79b9_7f4a_7c15 ^ Processor.stackPointer
    key = (key ^ key >> 32) &* 0xd6e8_feb8_6659_fd93
    return key ^ key >> 32 | 1
  }
}

// What a record consists of.
extension ProcessorHeap {
  /// The objects that other processors freed: the address of the last one, or 0.
  @inline(__always)
  @unsafe var freedByOthers: UnsafeMutablePointer<Atomic<UInt>> {
    unsafe memory.assumingMemoryBound(to: Atomic<UInt>.self)
  }

  @inline(__always)
  @unsafe var header: UnsafeMutablePointer<Header> {
    unsafe (memory + Self.headerOffset).assumingMemoryBound(to: Header.self)
  }

  @unsafe var noObjects: UnsafePointer<Atomic<UInt64>> {
    // SAFETY: the word is a part of the record, which is never moved.
    unsafe UnsafePointer(
      (memory + Self.headerOffset + MemoryLayout<UInt64>.stride)
        .assumingMemoryBound(to: Atomic<UInt64>.self))
  }

  /// The slabs of class `number`.
  @inline(__always)
  @unsafe func cache(_ number: Int) -> UnsafeMutablePointer<SlabCache> {
    unsafe (memory + Self.cachesOffset).assumingMemoryBound(to: SlabCache.self) + number
  }

  /// The class of the smallest objects of at least `byteCount` bytes, a small number.
  @inline(__always)
  func sizeClass(of byteCount: Int) -> Int {
    let granules = (byteCount &+ (SizeClass.granule - 1)) >> 4
    // SAFETY: the record has a byte for each number of granules of a small object.
    return unsafe Int(memory.load(fromByteOffset: Self.numbersOffset &+ granules, as: UInt8.self))
  }
}

/// The metadata of the frame of a record.
struct HeapRecord: FrameMetadata {
  static var role: FrameRole { FrameRole(.heap, isUntyped: false) }
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe HeapRecord.destroy(at: $0) } }
  static var hasDestructor: Bool { false }
}
