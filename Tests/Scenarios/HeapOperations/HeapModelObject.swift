internal import TesseraHardware
internal import TesseraHeap

/// An object of a walk through the heap: what the walk knows of it.
struct HeapModelObject: BitwiseCopyable {
  /// The address, or 0 if there is no object.
  var address: UInt = 0
  /// The number of bytes that were asked for.
  var byteCount = 0
  /// What its contents follow from.
  var seed: UInt64 = 0

  var isThere: Bool { address != 0 }

  var pointer: UnsafeMutableRawPointer {
    // SAFETY: forming the pointer accesses nothing.
    unsafe UnsafeMutableRawPointer(bitPattern: address).unsafelyUnwrapped
  }

  /// The bytes that are written and compared: all near both ends, and one in 509 between.
  private func forEachOffset(_ body: (Int) -> Void) {
    var offset = 0
    while offset < byteCount {
      body(offset)
      offset += offset < 192 || byteCount - offset <= 192 ? 1 : min(509, byteCount - 192 - offset)
    }
  }

  private func byte(at offset: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (seed &+ UInt64(offset) &* 0x9e37_79b9) >> 13)
  }

  /// Writes the contents that follow from the seed.
  func fill() {
    forEachOffset { offset in
      // SAFETY: the walk owns the object, which has so many bytes.
      unsafe HeapMemory.pointer(to: address + UInt(offset)).storeBytes(
        of: byte(at: offset), as: UInt8.self)
    }
  }

  /// Whether the first `count` bytes are what `fill` wrote.
  func isIntact(upTo count: Int? = nil) -> Bool {
    var isIntact = true
    let end = count ?? byteCount
    forEachOffset { offset in
      guard offset < end else { return }
      // SAFETY: the walk owns the object, which has so many bytes.
      let found = unsafe HeapMemory.pointer(to: address + UInt(offset)).load(as: UInt8.self)
      if found != byte(at: offset) { isIntact = false }
    }
    return isIntact
  }

  /// Whether all bytes are zero.
  var isZero: Bool {
    var isZero = true
    forEachOffset { offset in
      // SAFETY: the walk owns the object, which has so many bytes.
      let found = unsafe HeapMemory.pointer(to: address + UInt(offset)).load(as: UInt8.self)
      if found != 0 { isZero = false }
    }
    return isZero
  }
}

/// Sizes as kernels and programs ask for them: nine in ten of at most 256 bytes, and few that take
/// pages.
package enum HeapSizes {
  /// A size, at random.
  package static func next(_ generator: inout SplitMix) -> Int {
    switch generator.below(100) {
    case 0..<2: 0
    case 2..<55: 1 + generator.below(64)
    case 55..<88: 1 + generator.below(256)
    case 88..<97: 1 + generator.below(2048)
    case 97..<99: 1 + generator.below(4 * 4096)
    default: 1 + generator.below(24 * 4096)
    }
  }
}
