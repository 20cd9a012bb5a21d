/// How the processor caches the bytes of a page.
///
/// Intel SDM Vol. 3A, "Memory Cache Control", "Page Attribute Table (PAT)". The raw value is the
/// index that the PCD and PWT bits of a leaf make up, once the table holds `attributeTable`.
@frozen
public enum CachePolicy: UInt8, Sendable {
  /// Reads and writes are cached: for memory.
  case writeBack = 0
  /// Reads are cached, writes go to memory as well.
  case writeThrough = 1
  /// Nothing is cached, and writes are gathered into bursts: for frame buffers.
  case writeCombining = 2
  /// Each access reaches the device, in program order: for its registers.
  case uncacheable = 3
}

extension CachePolicy {
  /// What IA32_PAT must hold for entries to mean what this module says.
  ///
  /// Byte `i` is the memory type at index `i`. Entries 4 to 7 repeat 0 to 3: the PAT bit, which
  /// lies elsewhere in a leaf of 4 KiB than in a large one, then changes nothing.
  public static var attributeTable: UInt64 {
    var table: UInt64 = 0
    for index in 0..<8 as Range<UInt8> {
      table |= CachePolicy(attributeIndex: index).memoryType << (8 * UInt64(index))
    }
    return table
  }

  /// The number of the model-specific register IA32_PAT.
  public static var attributeTableRegister: UInt32 { 0x277 }

  /// The policy at `index` of the table, the number that PAT, PCD and PWT make up.
  @inline(__always)
  package init(attributeIndex index: UInt8) {
    switch index & 3 {
    case 0: self = .writeBack
    case 1: self = .writeThrough
    case 2: self = .writeCombining
    default: self = .uncacheable
    }
  }

  /// The policy closest to a memory type, by its number in IA32_PAT, that is no faster than it.
  package init(memoryType: UInt64) {
    switch memoryType {
    case 6: self = .writeBack
    case 4, 5: self = .writeThrough
    case 1: self = .writeCombining
    default: self = .uncacheable
    }
  }

  /// The number of the memory type in IA32_PAT ("Memory Types That Can Be Encoded With PAT").
  private var memoryType: UInt64 {
    switch self {
    case .writeBack: 6
    case .writeThrough: 4
    case .writeCombining: 1
    case .uncacheable: 0
    }
  }
}
