/// A size of small objects, of which a slab is full.
///
/// | Classes | Sizes in bytes                                    | Objects in a slab |
/// |---------|---------------------------------------------------|-------------------|
/// | 0...7   | multiples of 16 up to 128                         | 256...32          |
/// | 8...22  | 160 192 224 256 288 336 400 448 512 576 672 816   | 25...2            |
/// |         | 1024 1360 2048                                    |                   |
///
/// Above 128 bytes each is the largest multiple of 16 of which so many fit into 4096 bytes, so that
/// at most 96 bytes of a slab are in no object. An object is aligned to the largest power of two
/// that divides its size.
package enum SizeClass {
  /// The number of classes, which are numbered from zero.
  package static var count: Int { 23 }

  /// The size of the largest small object, in bytes.
  @inline(__always)
  package static var largestByteCount: Int { 2048 }

  /// The sizes are multiples of this, in bytes.
  @inline(__always)
  package static var granule: Int { 16 }

  /// The size of the objects of class `number`, in bytes.
  package static func byteCount(of number: Int) -> Int {
    switch number {
    case 0..<8: (number + 1) * granule
    case 8: 160
    case 9: 192
    case 10: 224
    case 11: 256
    case 12: 288
    case 13: 336
    case 14: 400
    case 15: 448
    case 16: 512
    case 17: 576
    case 18: 672
    case 19: 816
    case 20: 1024
    case 21: 1360
    default: 2048
    }
  }

  /// The number of objects in a slab of class `number`.
  package static func objectCount(of number: Int) -> Int { 4096 / byteCount(of: number) }

  /// The class of the smallest objects of at least `byteCount` bytes that are aligned to
  /// `alignment`, a power of two; nil if there is none.
  package static func number(of byteCount: Int, alignment: Int) -> Int? {
    let first = byteCount <= 128 && alignment <= granule ? max(0, byteCount - 1) >> 4 : 0
    for number in first..<count {
      let size = self.byteCount(of: number)
      if size >= byteCount && size & (alignment - 1) == 0 { return number }
    }
    return nil
  }

  /// Returns r so that `(offset * r) >> 32` is `offset` divided by the size of class `number`,
  /// rounded down, for each offset in a slab, and the lower 32 bits of that product are less than r
  /// if there is no remainder, and only then.
  ///
  /// Source: D. Lemire, O. Kaser, N. Kurz, "Faster remainder by direct computation".
  static func reciprocal(of number: Int) -> UInt64 {
    let size = UInt64(byteCount(of: number))
    return ((1 << 32) + size - 1) / size
  }
}
