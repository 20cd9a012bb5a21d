internal import TesseraHardware

/// The places of the parts of the loader's information, all of which have been checked.
struct MultibootLayout {
  /// The information itself, up to its end, as far as this module knows it.
  var information: Range<UInt64> = 0..<0
  var memoryMap = MemoryMapPlace.none
  /// The number of entries of the memory map.
  var entryCount = 0
  var modules = ModulePlaces.none
  var commandLine = BootTextPlace.none
  var loaderName = BootTextPlace.none
  var sections = MultibootSections.none
  var frameBuffer = MultibootFrameBuffer.none
  /// The loader's copy of the firmware's ACPI root pointer; empty if there is none.
  var acpiRootPointer: Range<UInt64> = 0..<0
  /// What else the information points to: tables of the firmware that the loader has copied.
  var others = [7 of Range<UInt64>](repeating: 0..<0)

  /// The form of the memory map.
  enum MemoryMapPlace {
    case none
    /// Entries of `stride` bytes each.
    case entries(Range<UInt64>, stride: UInt64)
    /// Entries that start with their size, which does not include itself.
    case sizedEntries(Range<UInt64>)
    /// KiB of memory at address zero and at 1 MiB.
    case sizes(lower: UInt32, upper: UInt32)
  }

  /// The form of the list of modules.
  enum ModulePlaces {
    case none
    /// A list of `count` entries of 16 bytes.
    case list(start: UInt64, count: UInt64)
    /// Tags among the others.
    case tags
  }
}

/// A module, as the loader describes it.
struct MultibootModulePlace {
  let start: UInt32
  let end: UInt32
  let commandLine: BootTextPlace

  /// Throws `badModule(index:)` unless the module has a valid range.
  ///
  /// An empty range is valid if the module has a command line: loaders describe an empty file by a
  /// range from zero to zero.
  func check(index: UInt64) throws(MultibootError) {
    if end < start { throw .badModule(index: index) }
    if end == 0 && commandLine.start == 0 { throw .badModule(index: index) }
  }
}

extension BootMemory {
  /// The region that is described by the 20 bytes at `address`, which both versions have in common;
  /// nil if it is empty.
  ///
  /// Throws if the bytes cannot be read, or if the range, of entry `index`, wraps around.
  func region(at address: UInt64, index: UInt64) throws(MultibootError) -> MemoryRegion? {
    let start = try doubleWord(at: address)
    let byteCount = try doubleWord(at: address + 8)
    let kind = MemoryKind(multibootType: try word(at: address + 16))
    if byteCount == 0 { return nil }
    guard let region = MemoryRegion(start: start, byteCount: byteCount, kind: kind) else {
      throw .entryWraps(index: index)
    }
    return region
  }
}

extension MemoryKind {
  /// The kind that both versions of the standard define for `type`; other types are reserved.
  ///
  /// Multiboot Specification version 0.6.96, "Boot information format"; Multiboot2 Specification
  /// version 2.0, "Memory map".
  init(multibootType type: UInt32) {
    self =
      switch type {
      case 1: .usable
      case 3: .acpiReclaimable
      case 4: .acpiNonVolatile
      case 5: .defective
      default: .reserved
      }
  }
}
