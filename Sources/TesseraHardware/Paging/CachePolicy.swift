/// How the processor caches the memory of a page.
///
/// The raw value is the PAT index that the PCD and PWT bits of a leaf select, with IA32_PAT set to
/// `attributeTable`. Intel SDM Vol. 3A, "Memory Cache Control", "Page Attribute Table (PAT)".
@frozen
public enum CachePolicy: UInt8, Sendable {
  /// Reads and writes are cached. For ordinary memory.
  case writeBack = 0
  /// Reads are cached, and writes go through to memory.
  case writeThrough = 1
  /// Nothing is cached, and writes may be combined into bursts. For frame buffers.
  case writeCombining = 2
  /// Each access reaches the device, in program order. For device registers.
  case uncacheable = 3
}

extension CachePolicy {
  /// The value of IA32_PAT that this module's page-table entries assume.
  ///
  /// Byte `i` is the memory type at index `i`. Entries 4 to 7 repeat 0 to 3, so that the PAT bit,
  /// whose position differs between 4 KiB and large leaves, has no effect.
  public static var attributeTable: UInt64 {
    var table: UInt64 = 0
    for index in 0..<8 as Range<UInt8> {
      table |= CachePolicy(attributeIndex: index).memoryType << (8 * UInt64(index))
    }
    return table
  }

  /// The number of the model-specific register IA32_PAT.
  public static var attributeTableRegister: UInt32 { 0x277 }

  /// Creates the policy at `index` of the table, the number that PAT, PCD and PWT make up.
  @inline(__always)
  package init(attributeIndex index: UInt8) {
    switch index & 3 {
    case 0: self = .writeBack
    case 1: self = .writeThrough
    case 2: self = .writeCombining
    default: self = .uncacheable
    }
  }

  /// Creates the policy closest to a memory type, given by its encoding in IA32_PAT, that caches no
  /// more than it.
  package init(memoryType: UInt64) {
    switch memoryType {
    case 6: self = .writeBack
    case 4, 5: self = .writeThrough
    case 1: self = .writeCombining
    default: self = .uncacheable
    }
  }

  /// The encoding of the memory type in IA32_PAT ("Memory Types That Can Be Encoded With PAT").
  private var memoryType: UInt64 {
    switch self {
    case .writeBack: 6
    case .writeThrough: 4
    case .writeCombining: 1
    case .uncacheable: 0
    }
  }
}
