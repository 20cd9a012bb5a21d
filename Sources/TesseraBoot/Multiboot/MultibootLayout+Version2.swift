internal import TesseraHardware

extension MultibootLayout {
  /// Checks the information of version 2 at `address`.
  ///
  /// Multiboot2 Specification version 2.0, "Boot information format": a size, then tags, each with
  /// a type and a size, and 8-byte aligned.
  init<Memory: BootMemory>(version2At address: UInt64, in memory: Memory) throws(MultibootError) {
    if address % 8 != 0 { throw .misaligned(address: address) }
    let byteCount = UInt64(try memory.word(at: address))
    if byteCount < 16 { throw .informationTooSmall(byteCount: byteCount) }
    var offset: UInt64 = 8
    var moduleCount: UInt64 = 0
    var sizes = MemoryMapPlace.none
    while true {
      if byteCount < offset + 8 { throw .noEndTag(byteCount: byteCount) }
      let tag = MultibootTag(
        address: address + offset, type: try memory.word(at: address + offset),
        byteCount: UInt64(try memory.word(at: address + offset + 4)))
      if tag.byteCount < tag.minimumByteCount { throw .tagTooSmall(offset: offset) }
      if tag.byteCount > byteCount - offset { throw .tagPastEnd(offset: offset) }
      switch tag.type {
      case MultibootTag.end:
        information = address..<tag.end
        try finish(fallingBackTo: sizes)
        return
      case MultibootTag.commandLine:
        commandLine = try memory.text(at: tag.address + 8, before: tag.end)
      case MultibootTag.loaderName:
        loaderName = try memory.text(at: tag.address + 8, before: tag.end)
      case MultibootTag.module:
        try memory.taggedModule(tag).check(index: moduleCount)
        moduleCount += 1
        modules = .tags
      case MultibootTag.memorySizes:
        sizes = .sizes(
          lower: try memory.word(at: tag.address + 8), upper: try memory.word(at: tag.address + 12))
      case MultibootTag.memoryMap:
        try findEntries(tag, offset: offset, in: memory)
      case MultibootTag.frameBuffer:
        frameBuffer = try MultibootFrameBuffer(at: tag.address + 8, in: memory)
      case MultibootTag.oldRootPointer:
        if acpiRootPointer.isEmpty { acpiRootPointer = tag.address + 8..<tag.end }
      case MultibootTag.newRootPointer:
        acpiRootPointer = tag.address + 8..<tag.end
      case MultibootTag.sections:
        try findSections(tag, offset: offset, in: memory)
      default: break
      }
      offset += tag.stride
    }
  }

  private mutating func findEntries<Memory: BootMemory>(
    _ tag: MultibootTag, offset: UInt64, in memory: Memory
  ) throws(MultibootError) {
    guard case .none = memoryMap else { throw .secondMemoryMap(offset: offset) }
    let stride = UInt64(try memory.word(at: tag.address + 8))
    if stride < 24 { throw .entryTooSmall(index: 0) }
    var entry = tag.address + 16
    var index: UInt64 = 0
    while entry < tag.end {
      if stride > tag.end - entry { throw .entryPastEnd(index: index) }
      _ = try memory.region(at: entry, index: index)
      entry += stride
      index += 1
    }
    memoryMap = .entries(tag.address + 16..<tag.end, stride: stride)
    entryCount = Int(index)
  }

  private mutating func findSections<Memory: BootMemory>(
    _ tag: MultibootTag, offset: UInt64, in memory: Memory
  ) throws(MultibootError) {
    sections = MultibootSections(
      start: tag.address + 20, count: UInt64(try memory.word(at: tag.address + 8)),
      stride: UInt64(try memory.word(at: tag.address + 12)))
    if sections.end > tag.end { throw .tagTooSmall(offset: offset) }
    try sections.check(in: memory)
  }

  /// Ends the check: `sizes` replaces a missing memory map.
  private mutating func finish(fallingBackTo sizes: MemoryMapPlace) throws(MultibootError) {
    guard case .none = memoryMap else { return }
    guard case .sizes = sizes else { throw .noMemoryMap }
    memoryMap = sizes
    entryCount = 2
  }
}

/// A tag of the information of version 2.
struct MultibootTag {
  let address: UInt64
  let type: UInt32
  /// The size, including type and size, without the padding to a multiple of 8.
  let byteCount: UInt64

  static let end: UInt32 = 0
  static let commandLine: UInt32 = 1
  static let loaderName: UInt32 = 2
  static let module: UInt32 = 3
  static let memorySizes: UInt32 = 4
  static let memoryMap: UInt32 = 6
  static let frameBuffer: UInt32 = 8
  static let sections: UInt32 = 9
  /// A copy of the ACPI root pointer of revision 0, and of a later one.
  static let oldRootPointer: UInt32 = 14
  static let newRootPointer: UInt32 = 15

  /// The address after the last byte.
  var end: UInt64 { address + byteCount }

  /// The distance to the next tag.
  var stride: UInt64 { (byteCount + 7) & ~7 }

  /// The size of a tag of this type without text or entries.
  var minimumByteCount: UInt64 {
    switch type {
    case Self.module, Self.memorySizes, Self.memoryMap: 16
    case Self.sections: 20
    case Self.frameBuffer: 30
    case Self.oldRootPointer: 28
    case Self.newRootPointer: 44
    default: 8
    }
  }
}

extension BootMemory {
  /// The module that is described by `tag`.
  func taggedModule(_ tag: MultibootTag) throws(MultibootError) -> MultibootModulePlace {
    MultibootModulePlace(
      start: try word(at: tag.address + 8), end: try word(at: tag.address + 12),
      commandLine: try text(at: tag.address + 16, before: tag.end))
  }
}
