/// The memory of a PCI function, as one of its six base address registers says.
///
/// PCI Local Bus Specification 3.0, "Base Addresses".
struct PCIBaseAddress {
  /// The physical address of the first byte.
  let address: UInt64
  let byteCount: UInt64

  private static var portBit: UInt32 { 1 }
  private static var typeBits: UInt32 { 6 }
  private static var longType: UInt32 { 4 }
  private static var addressBits: UInt32 { ~15 }

  /// Whether the register at `index`, in `0..<6`, is one of memory. It may not be assigned.
  static func isMemory<Space: ConfigurationSpace>(_ index: UInt8, of space: Space) -> Bool {
    space.word(at: offset(index)) & portBit == 0
  }

  /// Reads the register at `index`, which is one of memory, and measures the memory: a register
  /// keeps only the bits above the size.
  ///
  /// - Throws: `unassigned`.
  init<Space: ConfigurationSpace>(_ index: UInt8, of space: Space) throws(PCIError) {
    let low = space.word(at: Self.offset(index))
    let isLong = low & Self.typeBits == Self.longType
    if isLong && index == 5 { throw .unassigned(register: index) }
    let high = isLong ? space.word(at: Self.offset(index + 1)) : 0
    address = UInt64(high) << 32 | UInt64(low & Self.addressBits)
    let mask = space.withoutDecoding {
      let lowMask = Self.mask(of: index, holding: low, in: space) & Self.addressBits
      let highMask = isLong ? Self.mask(of: index + 1, holding: high, in: space) : .max
      return UInt64(highMask) << 32 | UInt64(lowMask)
    }
    byteCount = mask & (~mask &+ 1)
    guard mask != 0, address != 0, address % byteCount == 0,
      !address.addingReportingOverflow(byteCount).overflow
    else { throw .unassigned(register: index) }
  }

  private static func offset(_ index: UInt8) -> UInt8 { 16 + index * 4 }

  /// The bits that the register at `index` can hold. Leaves `value` there.
  private static func mask<Space: ConfigurationSpace>(
    of index: UInt8, holding value: UInt32, in space: Space
  ) -> UInt32 {
    space.setWord(.max, at: offset(index))
    defer { space.setWord(value, at: offset(index)) }
    return space.word(at: offset(index))
  }
}
