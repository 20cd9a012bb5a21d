package import TesseraFrames

/// What a range of physical memory is used for.
///
/// The raw value is the precedence: where ranges overlap, the higher kind wins. So memory that is
/// in use stays so, whatever another source calls usable.
@frozen
public enum MemoryKind: UInt8, Sendable {
  /// Free memory.
  case usable = 0
  /// Free memory below 1 MiB, reserved: firmware and the start code of further processors use it.
  case lowMemory = 1
  /// The loader's information block, memory map and command lines.
  case bootInformation = 2
  /// A file that the loader has read into memory.
  case module = 3
  /// The kernel's code and data.
  case kernelImage = 4
  /// Slots, page tables and other allocations from before there were frames.
  case metadata = 5
  /// ACPI tables, which are free once they have been read.
  case acpiReclaimable = 6
  /// Memory that the firmware keeps across sleep.
  case acpiNonVolatile = 7
  /// Free memory beyond the end of the direct map.
  case unreachable = 8
  /// Devices, firmware, and kinds that the standard does not define.
  case reserved = 9
  /// Memory that the firmware has found to be defective.
  case defective = 10
}

extension MemoryKind {
  /// The number of kinds, whose raw values are the numbers below it.
  public static var count: Int { 11 }

  /// Whether addresses of this kind are working memory in reach of the kernel.
  @inline(__always)
  public var isMemory: Bool { rawValue <= MemoryKind.acpiNonVolatile.rawValue }

  /// Whether memory of this kind is free, or becomes free once it is not used any more.
  var isAllocatable: Bool { rawValue <= MemoryKind.metadata.rawValue }

  /// The usage of frames of this kind.
  package var frameUsage: FrameUsage {
    switch self {
    case .usable, .lowMemory: .unused
    case .bootInformation, .module, .kernelImage: .kernel
    case .metadata: .metadata
    case .acpiReclaimable, .acpiNonVolatile, .unreachable, .reserved, .defective: .reserved
    }
  }

  /// The kind in words, as printed in the memory map.
  public var description: StaticString {
    switch self {
    case .usable: "usable"
    case .lowMemory: "low memory, reserved"
    case .bootInformation: "boot information"
    case .module: "module"
    case .kernelImage: "kernel image"
    case .metadata: "metadata"
    case .acpiReclaimable: "ACPI tables, reclaimable"
    case .acpiNonVolatile: "ACPI non-volatile storage"
    case .unreachable: "usable, beyond the direct map"
    case .reserved: "reserved"
    case .defective: "defective"
    }
  }
}
