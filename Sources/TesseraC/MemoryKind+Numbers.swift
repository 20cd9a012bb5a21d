internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHeader

extension MemoryKind {
  /// Creates the kind with the header's `number`, or nil if there is none.
  init?(numbered number: UInt32) {
    switch Int(number) {
    case TESSERA_USABLE: self = .usable
    case TESSERA_KERNEL_IMAGE: self = .kernelImage
    case TESSERA_MODULE: self = .module
    case TESSERA_LOADER: self = .bootInformation
    case TESSERA_ACPI: self = .acpiReclaimable
    case TESSERA_FIRMWARE: self = .acpiNonVolatile
    case TESSERA_RESERVED: self = .reserved
    case TESSERA_BAD_MEMORY: self = .defective
    default: return nil
    }
  }

  /// The number of this kind in the header.
  var number: UInt32 {
    switch self {
    case .usable, .lowMemory: UInt32(TESSERA_USABLE)
    case .kernelImage, .metadata: UInt32(TESSERA_KERNEL_IMAGE)
    case .module: UInt32(TESSERA_MODULE)
    case .bootInformation: UInt32(TESSERA_LOADER)
    case .acpiReclaimable: UInt32(TESSERA_ACPI)
    case .acpiNonVolatile: UInt32(TESSERA_FIRMWARE)
    case .unreachable, .reserved: UInt32(TESSERA_RESERVED)
    case .defective: UInt32(TESSERA_BAD_MEMORY)
    }
  }
}
