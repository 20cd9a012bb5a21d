public import TesseraHardware

/// The section headers of the kernel's image.
///
/// A loader that passes them on has also loaded the sections that are no part of the image in
/// memory: symbols, their names, and debug information.
///
/// System V ABI, "Sections"; ELF-64 Object File Format, "Sections".
struct MultibootSections {
  let start: UInt64
  let count: UInt64
  /// The size of a header, 40 bytes in images of 32 bits and 64 in those of 64 bits.
  let stride: UInt64

  static var none: MultibootSections { MultibootSections(start: 0, count: 0, stride: 40) }

  var end: UInt64 { start + count * stride }

  /// Checks all headers. Throws `badSections(byteCount:)` for headers of an unknown size, and
  /// `badSection(index:)` if a section extends beyond 2^52.
  func check<Memory: BootMemory>(in memory: Memory) throws(MultibootError) {
    if count == 0 { return }
    if stride != 40 && stride != 64 || count > 65536 { throw .badSections(byteCount: stride) }
    for index in 0..<count {
      let section = try memory.section(at: index, of: self)
      if MemoryRegion(start: section.start, byteCount: section.byteCount, kind: .usable) == nil,
        section.isLoadedBesideImage
      {
        throw .badSection(index: index)
      }
    }
  }
}

/// A section of the kernel's image, as its header describes it.
struct MultibootSection {
  let type: UInt32
  let flags: UInt32
  let start: UInt64
  let byteCount: UInt64
  /// The index of the section with the names of a symbol table.
  let link: UInt32

  /// The type of a section of symbols.
  static var symbols: UInt32 { 2 }

  /// Whether the loader has loaded the section to an address that it chose. A part of the image has
  /// the flag SHF_ALLOC, and an address that may be virtual.
  var isLoadedBesideImage: Bool { start != 0 && flags & 2 == 0 }
}

extension BootMemory {
  func section(
    at index: UInt64, of sections: MultibootSections
  ) throws(MultibootError) -> MultibootSection {
    let header = sections.start + index * sections.stride
    let type = try word(at: header + 4)
    let flags = try word(at: header + 8)
    if sections.stride == 40 {
      return MultibootSection(
        type: type, flags: flags, start: UInt64(try word(at: header + 12)),
        byteCount: UInt64(try word(at: header + 20)), link: try word(at: header + 24))
    }
    return MultibootSection(
      type: type, flags: flags, start: try doubleWord(at: header + 16),
      byteCount: try doubleWord(at: header + 32), link: try word(at: header + 40))
  }
}

/// The symbols of the kernel's image, if the loader has loaded them.
public struct MultibootSymbols: Sendable {
  /// The entries of the symbol table.
  public let entries: Range<PhysicalAddress>
  /// The names, each of which ends with a zero byte.
  public let names: Range<PhysicalAddress>
  /// Whether the image has 64 bits: an entry then has 24 bytes, and 16 otherwise.
  public let is64Bit: Bool
}

extension MultibootInformation {
  /// The symbols of the kernel's image; nil if the loader has not loaded them.
  public var symbols: MultibootSymbols? {
    let sections = layout.sections
    for index in 0..<sections.count {
      let section = memory.knownSection(at: index, of: sections)
      guard section.type == MultibootSection.symbols, section.isLoadedBesideImage,
        UInt64(section.link) < sections.count
      else { continue }
      let names = memory.knownSection(at: UInt64(section.link), of: sections)
      guard names.isLoadedBesideImage else { continue }
      return MultibootSymbols(
        entries: section.range, names: names.range, is64Bit: sections.stride == 64)
    }
    return nil
  }
}

extension MultibootSection {
  /// The memory of a section beside the image, which has been checked.
  var range: Range<PhysicalAddress> {
    PhysicalAddress(start)..<PhysicalAddress(start + byteCount)
  }
}
