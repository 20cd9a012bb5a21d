internal import TesseraHardware

/// The bytes of objects that are in use, by their addresses in the direct map.
///
/// An object in the kernel virtual area is accessed page by page. So nothing here depends on what
/// this processor has in its TLB, and a simulated machine needs no memory at such addresses.
package enum HeapMemory {
  /// Copies the first `byteCount` bytes of the object at `source` to that at `destination`.
  ///
  /// The caller owns both objects, which have so many bytes.
  @unsafe static func copy(from source: UInt, to destination: UInt, byteCount: Int) {
    var offset: UInt = 0
    while offset < UInt(byteCount) {
      let from = source + offset
      let to = destination + offset
      let count = min(Int(4096 - max(from % 4096, to % 4096)), byteCount - Int(offset))
      unsafe pointer(to: to).copyMemory(from: pointer(to: from), byteCount: count)
      offset += UInt(count)
    }
  }

  /// The byte at `address` in the direct map, and with it those up to the end of its page.
  ///
  /// The caller owns the object.
  @unsafe package static func pointer(to address: UInt) -> UnsafeMutableRawPointer {
    let direct = unsafe MappedObject.directAddress(of: address)
    return unsafe UnsafeMutableRawPointer(bitPattern: direct).unsafelyUnwrapped
  }
}
