internal import DemoPlatform
internal import Synchronization
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeap

/// Objects of all sizes that all processors allocate, and free for each other.
///
/// Each processor puts the objects that it allocates into places that all share, and frees what it
/// finds there. An object has a word at its end that follows from its address and its size, which
/// is compared when it is freed.
struct HeapStorm: ~Copyable {
  private static let placeCount = 256

  private let roundCount: UInt64
  /// A frame of the addresses of objects, or zeros.
  private let places: Frame<PlainMemory>

  let allocated = StormCount()
  let freedForOthers = StormCount()
  let broken = StormCount()
  let failed = StormCount()
  private let taken = StormCount()

  /// A storm in which each processor allocates `roundCount` objects. Throws `outOfFrames`.
  init(roundCount: UInt64) throws(TesseraError) {
    self.roundCount = roundCount
    places = try Frame(allocating: PlainMemory())
  }

  /// Lets all processors take part, and waits for them.
  mutating func blow() {
    // SAFETY: the function is that of a storm, whose counts and places are atomic.
    unsafe ProcessorTask.runOnAll(&self) {
      unsafe $0.assumingMemoryBound(to: HeapStorm.self).pointee.takePart()
    }
  }

  /// Frees what is left, and has each processor take back what others freed of it.
  mutating func finish() {
    for index in 0..<Self.placeCount { free(exchange(0, at: index)) }
    var none: UInt64 = 0
    // SAFETY: the function ignores the context.
    unsafe ProcessorTask.runOnAll(&none) { _ in
      while Heap.hasFreedByOthers { Heap.trim() }
      Heap.trim()
    }
  }

  private func takePart() {
    var random = RandomNumbers(seed: UInt64(Processor.current))
    for round in 0..<roundCount {
      let address = allocate(Self.size(&random))
      free(exchange(address, at: Int(random.next(below: UInt64(Self.placeCount)))))
      if round % 64 == 63 {
        taken.add()
        taken.waitForOthers(toAdd: 1)
      }
    }
  }

  /// Puts the object at `address`, or none, at a place. Returns what was there.
  private func exchange(_ address: UInt, at index: Int) -> UInt {
    // SAFETY: the frame has a word for each place, which is only accessed here.
    let place = unsafe PhysicalMemory.pointer(to: places.address + UInt64(index) * 8)
      .assumingMemoryBound(to: Atomic<UInt>.self)
    // Ordering: both; the object is written before it is put there, and read afterwards.
    return unsafe place.pointee.exchange(address, ordering: .acquiringAndReleasing)
  }
}

extension HeapStorm {
  /// The size of an object: mostly small, and one in thirty of pages.
  private static func size(_ random: inout RandomNumbers) -> Int {
    let largest: UInt64 =
      switch random.next(below: 30) {
      case 0: 20_000
      case 1..<8: 2048
      default: 256
      }
    return Int(24 + random.next(below: largest))
  }

  /// Allocates an object of `byteCount` bytes, and writes it. Returns its address, or 0.
  private func allocate(_ byteCount: Int) -> UInt {
    do throws(TesseraError) {
      // SAFETY: the object is this storm's.
      let object = unsafe try Heap.allocate(byteCount: byteCount)
      let address = UInt(bitPattern: object)
      let mark = Self.mark(address, byteCount)
      // SAFETY: the object has as many bytes.
      unsafe object.storeBytes(of: byteCount, as: Int.self)
      unsafe object.storeBytes(of: UInt64(Processor.current), toByteOffset: 8, as: UInt64.self)
      // SAFETY: as above.
      unsafe (object + (byteCount & ~7) - 8).storeBytes(of: mark, as: UInt64.self)
      allocated.add()
      return address
    } catch {
      failed.add()
      return 0
    }
  }

  /// Compares the object at `address` with what was written, and frees it.
  private func free(_ address: UInt) {
    // SAFETY: the storm owns the object, if there is one.
    guard let object = unsafe UnsafeMutableRawPointer(bitPattern: address) else { return }
    let byteCount = unsafe object.load(as: Int.self)
    let mark = unsafe (object + (byteCount & 0x7ff8) - 8).load(as: UInt64.self)
    if mark != Self.mark(address, byteCount) { broken.add() }
    // SAFETY: as above.
    if unsafe object.load(fromByteOffset: 8, as: Int.self) != Processor.current {
      freedForOthers.add()
    }
    // SAFETY: as above; the object is in no place.
    unsafe Heap.free(object)
  }

  private static func mark(_ address: UInt, _ byteCount: Int) -> UInt64 {
    UInt64(address) &* 0x9e37_79b9_7f4a_7c15 ^ UInt64(byteCount)
  }

  /// Changes a word of an object, to see that the storm notices. Returns whether there is one.
  func spoil() -> Bool {
    for index in 0..<Self.placeCount {
      let address = exchange(0, at: index)
      // SAFETY: the storm owns the object, and no other processor uses it meanwhile.
      guard let object = unsafe UnsafeMutableRawPointer(bitPattern: address) else { continue }
      let byteCount = unsafe object.load(as: Int.self)
      // SAFETY: as above.
      unsafe (object + (byteCount & ~7) - 8).storeBytes(of: 0, as: UInt64.self)
      _ = exchange(address, at: index)
      return true
    }
    return false
  }
}
