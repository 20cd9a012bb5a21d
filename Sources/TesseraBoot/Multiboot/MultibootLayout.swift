/// Where the parts of the loader's information lie, all of it checked: whoever walks them again
/// meets no error.
struct MultibootLayout {
  /// The information itself, from its first byte up to the end of what is known of it.
  var information: Range<UInt64> = 0..<0
  var memoryMap = MemoryMapPlace.none
  /// How many entries the memory map has.
  var entryCount = 0
  var modules = ModulePlaces.none
  var commandLine = BootTextPlace.none
  var loaderName = BootTextPlace.none

  /// How the loader tells where memory is.
  enum MemoryMapPlace {
    case none
    /// Entries of `stride` bytes each.
    case entries(Range<UInt64>, stride: UInt64)
    /// Entries that start with their size, which does not count itself.
    case sizedEntries(Range<UInt64>)
    /// KiB of memory from address zero and from 1 MiB on.
    case sizes(lower: UInt32, upper: UInt32)
  }

  /// How the loader tells where modules are.
  enum ModulePlaces {
    case none
    /// A list of this many entries of 16 bytes.
    case list(start: UInt64, count: UInt64)
    /// Tags among the others.
    case tags
  }
}

/// A module as the loader describes it.
struct MultibootModulePlace {
  let start: UInt32
  let end: UInt32
  let commandLine: BootTextPlace

  /// Throws unless the module has a range; `index` is its number.
  ///
  /// A module of no bytes is one, if it has at least a command line: loaders give files that are
  /// empty as a range from zero to zero.
  func check(index: UInt64) throws(MultibootError) {
    if end < start { throw .badModule(index: index) }
    if end == 0 && commandLine.start == 0 { throw .badModule(index: index) }
  }
}

extension BootMemory {
  /// The range and kind at `address`, where both versions have the same 20 bytes; nil if it is
  /// empty.
  ///
  /// Throws if the bytes cannot be read or the range, that of entry `index`, wraps.
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
  /// The kind that both versions of the standard mean by `type`; what they do not define is
  /// reserved.
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
