public import TesseraHardware

/// What a multiboot loader tells the kernel that it starts, in version 1 or 2 of the standard.
///
/// Everything is checked when this is made. After that it cannot fail, and reads only what was
/// checked as often as it is asked. As a source of memory regions it gives the loader's map, and
/// beside it all that must be kept: the information itself, texts, modules.
public struct MultibootInformation<Memory: BootMemory>: MemoryRegionSource {
  public let version: MultibootVersion
  let memory: Memory
  let layout: MultibootLayout

  /// Checks the information at the physical `address`, as the loader left both in EBX and EAX.
  public init(magic: UInt32, address: UInt32, memory: Memory) throws(MultibootError) {
    guard let version = MultibootVersion(magic: magic) else { throw .wrongMagic(magic) }
    self.version = version
    self.memory = memory
    layout =
      switch version {
      case .one: try MultibootLayout(version1At: UInt64(address), in: memory)
      case .two: try MultibootLayout(version2At: UInt64(address), in: memory)
      }
  }

  /// What the kernel was told to do; empty if nothing.
  public var commandLine: BootText<Memory> { BootText(memory, layout.commandLine) }

  /// The name of the loader; empty if it gave none.
  public var loaderName: BootText<Memory> { BootText(memory, layout.loaderName) }

  /// How many entries the loader's memory map has.
  public var entryCount: Int { layout.entryCount }
}

/// The version of the multiboot standard.
public enum MultibootVersion: Sendable {
  case one
  case two

  /// The version whose loaders leave `magic` in EAX.
  init?(magic: UInt32) {
    switch magic {
    case 0x2bad_b002: self = .one
    case 0x36d7_6289: self = .two
    default: return nil
    }
  }

  public var description: StaticString {
    switch self {
    case .one: "multiboot1"
    case .two: "multiboot2"
    }
  }
}

/// A file that the loader read into memory beside the kernel.
public struct MultibootModule<Memory: BootMemory> {
  public let start: PhysicalAddress
  public let end: PhysicalAddress
  /// What the loader was told about the module, often a name.
  public let commandLine: BootText<Memory>
}
