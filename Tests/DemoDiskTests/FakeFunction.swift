@testable import DemoPCI

/// The configuration of a PCI function of a virtio disk, as QEMU has it: a vendor's capability for
/// each structure, in the memory of base address register 4, which has 64 bits.
final class FakeFunction: ConfigurationSpace {
  static let memory: UInt64 = 0x12_3400_0000
  static let memoryByteCount: UInt64 = 0x4000
  static let common: UInt8 = 0x40
  static let notification: UInt8 = 0x50
  static let device: UInt8 = 0x64

  /// The bytes, which a test may damage.
  var bytes = [UInt8](repeating: 0, count: 256)
  /// The size of the memory of each base address register; 0 for one that is not there.
  var sizes: [UInt64] = [0, 0, 0, 0, memoryByteCount, 0]
  /// How often a word was read.
  private(set) var readCount = 0
  /// Whether a base address register was written while the function answered to accesses.
  private(set) var wasMovedWhileDecoding = false

  init() {
    put([0xf4, 0x1a, 0x42, 0x10, 3, 0, 0x10, 0], at: 0)
    put(littleEndian(UInt32(truncatingIfNeeded: Self.memory) | 4), at: 0x20)
    put(littleEndian(UInt32(Self.memory >> 32)), at: 0x24)
    put([Self.common], at: 0x34)
    put(capability(1, next: Self.notification, from: 0, byteCount: 0x1000), at: Self.common)
    put(capability(2, next: Self.device, from: 0x3000, byteCount: 0x1000), at: Self.notification)
    put([20], at: Self.notification + 2)
    put(littleEndian(4 as UInt32), at: Self.notification + 16)
    put(capability(4, next: 0, from: 0x2000, byteCount: 0x1000), at: Self.device)
  }

  func capability(
    _ kind: UInt8, next: UInt8, register: UInt8 = 4, from start: UInt32, byteCount: UInt32
  ) -> [UInt8] {
    [9, next, 16, kind, register, 0, 0, 0] + littleEndian(start) + littleEndian(byteCount)
  }

  func put(_ new: [UInt8], at offset: UInt8) {
    bytes.replaceSubrange(Int(offset)..<Int(offset) + new.count, with: new)
  }

  func word(at offset: UInt8) -> UInt32 {
    precondition(offset % 4 == 0)
    readCount += 1
    return (0..<4).reduce(0) { $0 | UInt32(bytes[Int(offset) + $1]) << UInt32($1 * 8) }
  }

  /// A base address register keeps its lowest bits, and takes those above its size. A bit of the
  /// status register, behind that of commands, is cleared by a one.
  func setWord(_ value: UInt32, at offset: UInt8) {
    precondition(offset % 4 == 0)
    if offset == 4 {
      return put(littleEndian(value & 0xffff | word(at: 4) & ~value & ~0xffff), at: 4)
    }
    guard offset >= 16, offset < 40 else { return put(littleEndian(value), at: offset) }
    if bytes[4] & 3 != 0 { wasMovedWhileDecoding = true }
    var index = Int(offset - 16) / 4
    var shift: UInt64 = 0
    if index > 0, bytes[16 + (index - 1) * 4] & 7 == 4 {
      index -= 1
      shift = 32
    }
    let mask = sizes[index] == 0 ? 0 : UInt32(truncatingIfNeeded: ~(sizes[index] - 1) >> shift)
    let fixed = shift == 0 ? UInt32(bytes[Int(offset)]) & 15 : 0
    put(littleEndian(value & mask | fixed), at: offset)
  }
}

func littleEndian(_ number: UInt32) -> [UInt8] {
  (0..<4).map { UInt8(truncatingIfNeeded: number >> UInt32($0 * 8)) }
}
