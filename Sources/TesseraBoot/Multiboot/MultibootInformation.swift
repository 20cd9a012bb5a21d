public import TesseraHardware

/// The information that a multiboot loader passes to the kernel, in version 1 or 2 of the standard.
///
/// The initializer checks all of it, so that no later operation fails. As a source of memory
/// regions it has the loader's memory map and all memory that the loader has used: the information
/// itself, texts, modules.
public struct MultibootInformation<Memory: BootMemory>: MemoryRegionSource {
  public let version: MultibootVersion
  let memory: Memory
  let layout: MultibootLayout

  /// Checks the information at the physical `address`. The loader passes `magic` in EAX and
  /// `address` in EBX.
  ///
  /// - Throws: `multiboot` with what is wrong.
  public init(magic: UInt32, address: UInt32, memory: Memory) throws(TesseraError) {
    do throws(MultibootError) {
      guard let version = MultibootVersion(magic: magic) else { throw .wrongMagic(magic) }
      let layout =
        switch version {
        case .one: try MultibootLayout(version1At: UInt64(address), in: memory)
        case .two: try MultibootLayout(version2At: UInt64(address), in: memory)
        }
      self.init(version, layout, memory)
    } catch { throw .multiboot(error) }
  }

  private init(_ version: MultibootVersion, _ layout: MultibootLayout, _ memory: Memory) {
    self.version = version
    self.layout = layout
    self.memory = memory
  }

  /// The kernel's command line; empty if there is none.
  public var commandLine: BootText<Memory> { BootText(memory, layout.commandLine) }

  /// The name of the loader; empty if there is none.
  public var loaderName: BootText<Memory> { BootText(memory, layout.loaderName) }

  /// The address of the loader's copy of the firmware's ACPI root pointer, of the latest revision
  /// that the loader has passed; nil if it has passed none.
  ///
  /// Version 2 alone has one. At least 20 bytes are there, and 36 if the loader calls them those of
  /// a later revision; what they contain is not checked.
  public var acpiRootPointer: PhysicalAddress? {
    layout.acpiRootPointer.isEmpty ? nil : PhysicalAddress(layout.acpiRootPointer.lowerBound)
  }

  /// The number of entries of the loader's memory map.
  public var entryCount: Int { layout.entryCount }
}

/// The version of the multiboot standard.
public enum MultibootVersion: Sendable {
  case one
  case two

  /// The version whose loaders pass `magic` in EAX.
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

/// A file that the loader has read into memory beside the kernel.
public struct MultibootModule<Memory: BootMemory> {
  public let start: PhysicalAddress
  public let end: PhysicalAddress
  /// The module's command line, often a name.
  public let commandLine: BootText<Memory>
}
