package import TesseraFrames

/// What a range of physical memory is good for.
///
/// The raw value is the precedence: where ranges overlap, the higher kind wins. So nothing that one
/// source calls usable can take away what another source keeps.
@frozen
public enum MemoryKind: UInt8, Sendable {
  /// Free memory.
  case usable = 0
  /// Free memory below 1 MiB, kept back: firmware and the start of further processors live there.
  case lowMemory = 1
  /// What the loader left: its information block, its memory map, command lines.
  case bootInformation = 2
  /// A file that the loader read into memory.
  case module = 3
  /// The kernel's code and data.
  case kernelImage = 4
  /// Slots, page tables and whatever else was allocated before there were frames.
  case metadata = 5
  /// ACPI tables, free once they have been read.
  case acpiReclaimable = 6
  /// Memory that the firmware keeps across sleep.
  case acpiNonVolatile = 7
  /// Free memory that cannot be reached, because the kernel maps less than there is.
  case invisible = 8
  /// Devices, firmware, and every kind that the loader names but the standard does not.
  case reserved = 9
  /// Memory that the firmware found to be broken.
  case defective = 10
}

extension MemoryKind {
  /// How many kinds there are; the raw values are the numbers below it.
  public static var count: Int { 11 }

  /// Whether there is working memory behind addresses of this kind that the kernel can reach.
  @inline(__always)
  public var isMemory: Bool { rawValue <= MemoryKind.acpiNonVolatile.rawValue }

  /// What frames of this kind are used for once there are slots.
  package var frameUsage: FrameUsage {
    switch self {
    case .usable, .lowMemory: .unused
    case .bootInformation, .module, .kernelImage: .kernel
    case .metadata: .metadata
    case .acpiReclaimable, .acpiNonVolatile, .invisible, .reserved, .defective: .reserved
    }
  }

  /// The kind in words, as the table of the memory map has it.
  public var description: StaticString {
    switch self {
    case .usable: "usable"
    case .lowMemory: "usable, kept back (low memory)"
    case .bootInformation: "boot information"
    case .module: "module"
    case .kernelImage: "kernel image"
    case .metadata: "metadata"
    case .acpiReclaimable: "ACPI tables, reclaimable"
    case .acpiNonVolatile: "ACPI non-volatile storage"
    case .invisible: "usable, left alone (not visible)"
    case .reserved: "reserved"
    case .defective: "defective"
    }
  }
}
