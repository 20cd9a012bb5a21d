internal import TesseraBoot

/// The bytes of a table, from its first one to the end that it claims.
///
/// Every read is checked against that end and against the memory that can be read.
struct ACPITableBytes<Memory: BootMemory> {
  let table: ACPITable
  private let memory: Memory
  let start: UInt64
  let byteCount: UInt64

  /// The bytes in every table but the first before the rest: signature, length, checksum, names.
  ///
  /// ACPI Specification 6.5, "System Description Table Header".
  static var headerByteCount: UInt64 { 36 }

  /// More than any table that is read here has: 64 processors take 1,024 bytes.
  static var greatestByteCount: UInt64 { 1 << 20 }

  /// The `byteCount` bytes at `start`, which `table` has whatever it claims.
  init(_ table: ACPITable, at start: UInt64, byteCount: UInt64, in memory: Memory) {
    self.table = table
    self.memory = memory
    self.start = start
    self.byteCount = byteCount
  }

  /// The table at `start`, with the signature that it must have, once its checksum is right.
  init(
    _ table: ACPITable, signature: UInt32, at start: UInt64, in memory: Memory
  ) throws(ACPIError) {
    let header = ACPITableBytes(table, at: start, byteCount: Self.headerByteCount, in: memory)
    guard try header.word(at: 0) == signature else {
      throw ACPIError(table, .wrongSignature(address: start))
    }
    self.init(table, at: start, byteCount: UInt64(try header.word(at: 4)), in: memory)
    if byteCount < Self.headerByteCount { throw ACPIError(table, .tooShort(byteCount: byteCount)) }
    if byteCount > Self.greatestByteCount { throw ACPIError(table, .tooLong(byteCount: byteCount)) }
    guard try sum() == 0 else { throw ACPIError(table, .wrongChecksum) }
  }

  /// The byte at `offset`.
  ///
  /// - Throws: `entryPastEnd` or `unreadable`.
  func byte(at offset: UInt64) throws(ACPIError) -> UInt8 {
    guard offset < byteCount else { throw ACPIError(table, .entryPastEnd(offset: offset)) }
    let (address, overflow) = start.addingReportingOverflow(offset)
    guard !overflow, let byte = memory.byte(at: address) else {
      throw ACPIError(table, .unreadable(address: address))
    }
    return byte
  }

  /// The little-endian 32-bit number at `offset`.
  func word(at offset: UInt64) throws(ACPIError) -> UInt32 {
    var value: UInt32 = 0
    for index in 0..<4 as Range<UInt64> {
      value |= UInt32(try byte(at: offset + index)) << UInt32(8 * index)
    }
    return value
  }

  /// The little-endian 64-bit number at `offset`.
  func doubleWord(at offset: UInt64) throws(ACPIError) -> UInt64 {
    let low = try word(at: offset)
    return UInt64(try word(at: offset + 4)) << 32 | UInt64(low)
  }

  /// The sum of all bytes, which the checksum makes zero.
  func sum() throws(ACPIError) -> UInt8 {
    var sum: UInt8 = 0
    for offset in 0..<byteCount { sum &+= try byte(at: offset) }
    return sum
  }
}
