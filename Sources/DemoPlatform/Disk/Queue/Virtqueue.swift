internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware

/// A queue through which a device is given requests and returns them, in memory that both access.
///
/// VIRTIO 1.2, "Split Virtqueues". It has three parts. A request is a chain of *descriptors*, each
/// of which names a piece of memory. The driver writes the number of a chain's first descriptor to
/// the *available* ring, and then increments the index of that ring, which publishes the chain. The
/// device writes that number to the *used* ring when it has done the request, and then increments
/// the index there. Both indices count up and wrap at 16 bits.
///
/// One processor calls it at a time.
struct Virtqueue: ~Copyable {
  /// The number of descriptors, a power of two.
  let size: UInt16
  private let memory: Segment<PlainMemory>
  /// The index of the available ring: how many chains have been published.
  private var publishedCount: UInt16 = 0
  /// How many chains have been taken from the used ring.
  private var returnedCount: UInt16 = 0

  static var largestSize: UInt16 { 256 }

  // Where the parts are in the two frames. The used ring begins four bytes after a multiple of
  // eight, so that each of its elements is a word.
  private static var descriptorsOffset: UInt64 { 0 }
  private static var availableOffset: UInt64 { 4096 }
  private static var usedOffset: UInt64 { 4096 + 1024 + 4 }

  /// A queue of `size` descriptors, a power of two up to `largestSize`, which nothing uses yet. The
  /// device is told not to interrupt.
  init(size: UInt16) throws(TesseraError) {
    self.size = size
    memory = try Segment(allocating: 2) { _ in PlainMemory() }
    // SAFETY: see `halfWord`. Ordering: relaxed; the device does not run yet.
    unsafe available(0).pointee.store(1, ordering: .relaxed)
  }

  var descriptors: PhysicalAddress { memory.address + Self.descriptorsOffset }
  var availableRing: PhysicalAddress { memory.address + Self.availableOffset }
  var usedRing: PhysicalAddress { memory.address + Self.usedOffset }
}

/// A piece of memory, as a part of a request.
struct VirtqueueDescriptor {
  let address: PhysicalAddress
  let byteCount: UInt32
  /// Whether the device writes it, rather than reads it.
  let isWritten: Bool
  /// The number of the next one in the chain; nil for the last.
  let next: UInt16?
}

extension Virtqueue {
  /// Makes descriptor `number` that of a chain that is not published yet.
  func set(_ number: UInt16, to descriptor: VirtqueueDescriptor) {
    let flags: UInt64 = (descriptor.next == nil ? 0 : 1) | (descriptor.isWritten ? 2 : 0)
    let next = UInt64(descriptor.next ?? 0)
    let offset = Self.descriptorsOffset + UInt64(number) * 16
    memory.setWord(descriptor.address.rawValue, at: offset)
    memory.setWord(UInt64(descriptor.byteCount) | flags << 32 | next << 48, at: offset + 8)
  }

  /// Gives the device the chain that begins with descriptor `head`. Returns whether the device must
  /// be notified.
  mutating func publish(_ head: UInt16) -> Bool {
    let place = 4 + UInt64(publishedCount % size) * 2
    // SAFETY: see `halfWord`. Ordering: relaxed; the next store publishes it.
    unsafe available(place).pointee.store(head, ordering: .relaxed)
    publishedCount &+= 1
    // Ordering: releasing, pairs with the device's load of the index: it then sees the element, the
    // descriptors, and all that they name.
    unsafe available(2).pointee.store(publishedCount, ordering: .releasing)
    // Ordering: a full fence, pairs with the one of the device between its store of the flag and
    // its last load of the index: one of the two sees what the other has stored. Without it the
    // flag could be loaded first, and a device that has just begun to wait never be notified.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    // Ordering: relaxed; the fence orders it.
    return unsafe used(0).pointee.load(ordering: .relaxed) & 1 == 0
  }

  /// Takes the next chain that the device has returned. Returns the number of its first descriptor,
  /// as the device says it; nil if there is none.
  mutating func takeReturned() -> UInt32? {
    // SAFETY: see `halfWord`.
    // Ordering: acquiring, pairs with the device's store of the index: its element is then seen,
    // and what the device has written to memory.
    guard unsafe used(2).pointee.load(ordering: .acquiring) != returnedCount else { return nil }
    let offset = Self.usedOffset + 4 + UInt64(returnedCount % size) * 8
    returnedCount &+= 1
    return UInt32(truncatingIfNeeded: memory.word(at: offset))
  }

  /// Two bytes of the available ring: flags, index, then the elements.
  private func available(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt16>> {
    // SAFETY: see `halfWord`.
    unsafe halfWord(Self.availableOffset + offset)
  }

  /// Two bytes of the used ring: flags, and index.
  private func used(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt16>> {
    // SAFETY: see `halfWord`.
    unsafe halfWord(Self.usedOffset + offset)
  }

  private func halfWord(_ offset: UInt64) -> UnsafeMutablePointer<Atomic<UInt16>> {
    // SAFETY: the queue owns the memory, and the offset is even and within it.
    unsafe PhysicalMemory.pointer(to: memory.address + offset)
      .assumingMemoryBound(to: Atomic<UInt16>.self)
  }
}
