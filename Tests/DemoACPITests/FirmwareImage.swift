import MultibootFuzz
import TesseraBoot

/// Tables as a firmware writes them to memory, at addresses of their own.
struct FirmwareImage {
  /// An entry of the table of interrupt controllers.
  enum Entry {
    case localAPIC(id: UInt8, flags: UInt32)
    case x2APIC(id: UInt32, flags: UInt32)
    case addressOverride(UInt64)
    /// Any entry: its type, and what follows its length.
    case other(type: UInt8, [UInt8])

    var bytes: [UInt8] {
      switch self {
      case .localAPIC(let id, let flags): [0, 8, 7, id] + littleEndian(flags)
      case .x2APIC(let id, let flags):
        [9, 16, 0, 0] + littleEndian(id) + littleEndian(flags) + [0, 0, 0, 0]
      case .addressOverride(let address): [5, 12, 0, 0] + littleEndian(address)
      case .other(let type, let rest): [type, UInt8(rest.count + 2)] + rest
      }
    }
  }

  static let start: UInt64 = 0xe_0000
  static let rootPointer: UInt64 = 0xe_0040
  static let list: UInt64 = 0xe_1000
  static let otherTable: UInt64 = 0xe_2000
  static let controllers: UInt64 = 0xe_3000

  /// The bytes from `start` on.
  var bytes = [UInt8](repeating: 0, count: 0x4000)

  /// A firmware with the root pointer of `revision`, whose table of interrupt controllers has
  /// `entries`.
  init(revision: UInt8, _ entries: [Entry]) {
    var root = Array("RSD PTR ".utf8) + [0] + Array("TESTER".utf8) + [revision]
    root += littleEndian(revision >= 2 ? 0 : UInt32(Self.list))
    root[8] = 0 &- root.reduce(0, &+)
    if revision >= 2 {
      root += littleEndian(UInt32(36)) + littleEndian(Self.list) + [0, 0, 0, 0]
      root[32] = 0 &- root.reduce(0, &+)
    }
    put(root, at: Self.rootPointer)
    let places = [Self.otherTable, Self.controllers]
    let body = places.flatMap { revision >= 2 ? littleEndian($0) : littleEndian(UInt32($0)) }
    put(Self.table(revision >= 2 ? "XSDT" : "RSDT", body), at: Self.list)
    put(Self.table("HPET", [1, 2, 3]), at: Self.otherTable)
    let registers = littleEndian(0xfee0_0000 as UInt32) + littleEndian(1 as UInt32)
    put(Self.table("APIC", registers + entries.flatMap(\.bytes)), at: Self.controllers)
  }

  /// A table with a header and a right checksum.
  static func table(_ signature: String, _ body: [UInt8]) -> [UInt8] {
    var table = Array(signature.utf8) + littleEndian(UInt32(36 + body.count)) + [1, 0]
    table += Array("TESTERTESTTEST".utf8) + [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    table += body
    table[9] = 0 &- table.reduce(0, &+)
    return table
  }

  mutating func put(_ new: [UInt8], at address: UInt64) {
    let offset = Int(address - Self.start)
    bytes.replaceSubrange(offset..<offset + new.count, with: new)
  }

  func byte(at address: UInt64) -> UInt8 { bytes[Int(address - Self.start)] }

  /// The length that the table at `address` claims.
  func claimedByteCount(of address: UInt64) -> Int {
    Int(byte(at: address + 4)) | Int(byte(at: address + 5)) << 8
  }

  /// Makes the sum of the first `byteCount` bytes at `address` zero, by the byte at `offset`.
  mutating func mend(_ address: UInt64, byteCount: Int, by offset: UInt64) {
    let sum = (0..<UInt64(byteCount)).reduce(0) { $0 &+ byte(at: address + $1) }
    put([byte(at: address + offset) &- sum], at: address + offset)
  }

  var memory: ByteMemory { ByteMemory(bytes, at: Self.start) }
}

func littleEndian<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
  (0..<Number.bitWidth / 8).map { UInt8(truncatingIfNeeded: number >> Number($0 * 8)) }
}
