public import TesseraHardware

/// The physical memory from which the loader's information is read.
///
/// On a machine that is what the first page tables map; in a test, an array. The readers access
/// memory through this protocol alone, so an address that `byte(at:)` rejects is never accessed.
public protocol BootMemory {
  /// Returns the byte at the physical `address`, or nil if it cannot be read.
  ///
  /// It returns the same for an address each time.
  func byte(at address: UInt64) -> UInt8?
}

extension BootMemory {
  /// The little-endian 32-bit number at `address`.
  func word(at address: UInt64) throws(MultibootError) -> UInt32 {
    var value: UInt32 = 0
    for index in 0..<4 as Range<UInt64> {
      guard let byte = byte(at: address + index) else {
        throw .unreadable(address: address + index)
      }
      value |= UInt32(byte) << UInt32(8 * index)
    }
    return value
  }

  /// The little-endian 64-bit number at `address`.
  func doubleWord(at address: UInt64) throws(MultibootError) -> UInt64 {
    let low = try word(at: address)
    return UInt64(try word(at: address + 4)) << 32 | UInt64(low)
  }

  /// The text at `address`, up to a zero byte below `limit`.
  func text(at address: UInt64, before limit: UInt64) throws(MultibootError) -> BootTextPlace {
    var end = address
    while end < limit {
      guard let byte = byte(at: end) else { throw .unreadable(address: end) }
      if byte == 0 { return BootTextPlace(start: address, byteCount: end - address) }
      end += 1
    }
    throw .textNotTerminated(address: address)
  }
}

/// The place of a text that is known to end with a zero byte.
struct BootTextPlace {
  let start: UInt64
  let byteCount: UInt64

  /// The empty text.
  static var none: BootTextPlace { BootTextPlace(start: 0, byteCount: 0) }

  /// The longest valid text, with its zero byte. Most have a few hundred bytes.
  static var maximumByteCount: UInt64 { 65536 }
}

/// Physical memory below a limit, read through a linear mapping.
@safe
public struct MappedBootMemory: BootMemory {
  /// The virtual address of physical byte zero, or nil for the direct map of `PhysicalMemory`.
  private let base: UInt?
  private let end: PhysicalAddress

  /// Memory that is read through the current direct map, which may change between reads.
  ///
  /// The caller promises that it maps every byte below `end`, and that reading any of them has no
  /// side effects.
  @unsafe public init(below end: PhysicalAddress) {
    base = nil
    self.end = end
  }

  /// Memory that is mapped at `base`. The caller promises the same of that mapping.
  @unsafe public init(mappedAt base: UInt64, below end: PhysicalAddress) {
    self.base = UInt(base)
    self.end = end
  }

  public func byte(at address: UInt64) -> UInt8? {
    guard let address = PhysicalAddress(exactly: address), address < end else { return nil }
    let place = (base ?? PhysicalMemory.directMapBase) &+ UInt(address.rawValue)
    // SAFETY: the promise of `init`.
    return unsafe UnsafePointer<UInt8>(bitPattern: place)?.pointee
  }
}
