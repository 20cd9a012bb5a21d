public import TesseraHardware

/// The memory that can be read while the loader's information is being looked at.
///
/// On the machine that is what the first page tables show; in a test, an array. Nothing in this
/// module reads memory in another way, so what a reader refuses is never touched.
public protocol BootMemory {
  /// The byte at the physical `address`, or nil if it cannot be read.
  ///
  /// The answer for an address is the same for as long as the information is in use.
  func byte(at address: UInt64) -> UInt8?
}

extension BootMemory {
  /// The 32-bit number at `address`, lowest byte first.
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

  /// The 64-bit number at `address`, lowest byte first.
  func doubleWord(at address: UInt64) throws(MultibootError) -> UInt64 {
    let low = try word(at: address)
    return UInt64(try word(at: address + 4)) << 32 | UInt64(low)
  }

  /// The text that starts at `address` and ends before a zero byte, which lies before `limit`.
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

/// Where a text lies that has been found to end; its zero byte comes right after it.
struct BootTextPlace {
  let start: UInt64
  let byteCount: UInt64

  /// No text at all.
  static var none: BootTextPlace { BootTextPlace(start: 0, byteCount: 0) }

  /// Longer texts are taken for garbage. Loaders give a few hundred bytes at most.
  static var greatestByteCount: UInt64 { 4096 }
}

/// Physical memory below a limit, read through the window.
@safe
public struct MappedBootMemory: BootMemory {
  private let end: PhysicalAddress

  /// The caller promises that the window shows every byte below `end`, and that reading any of them
  /// does no harm.
  @unsafe public init(below end: PhysicalAddress) { self.end = end }

  public func byte(at address: UInt64) -> UInt8? {
    guard let address = PhysicalAddress(exactly: address), address < end else { return nil }
    // SAFETY: the address is below the end that the maker vouched for.
    return unsafe PhysicalMemory.pointer(to: address).load(as: UInt8.self)
  }
}
