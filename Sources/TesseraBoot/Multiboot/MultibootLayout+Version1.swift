internal import TesseraHardware

extension MultibootLayout {
  /// Checks the information of version 1 at `address`.
  ///
  /// Multiboot Specification version 0.6.96, "Boot information format": a word of flags tells which
  /// of the fields after it are valid.
  init<Memory: BootMemory>(version1At address: UInt64, in memory: Memory) throws(MultibootError) {
    let flags = try memory.word(at: address)
    information = address..<address + Version1.byteCount
    if flags & Version1.hasCommandLine != 0 {
      commandLine = try memory.pointedText(at: address + 16)
    }
    if flags & Version1.hasModules != 0 {
      try findModules(
        at: UInt64(memory.word(at: address + 24)), count: UInt64(memory.word(at: address + 20)),
        in: memory)
    }
    if flags & Version1.hasLoaderName != 0 {
      loaderName = try memory.pointedText(at: address + 64)
    }
    try findOthers(flags, at: address, in: memory)
    let mapByteCount =
      flags & Version1.hasMemoryMap == 0 ? 0 : UInt64(try memory.word(at: address + 44))
    if mapByteCount > 0 {
      try findEntries(
        at: UInt64(memory.word(at: address + 48)), byteCount: mapByteCount, in: memory)
    } else if flags & Version1.hasMemorySizes != 0 {
      memoryMap = .sizes(
        lower: try memory.word(at: address + 4), upper: try memory.word(at: address + 8))
      entryCount = 2
    } else {
      throw .noMemoryMap
    }
  }

  private mutating func findModules<Memory: BootMemory>(
    at start: UInt64, count: UInt64, in memory: Memory
  ) throws(MultibootError) {
    if count == 0 { return }
    if count > Version1.maximumModuleCount { throw .tooManyModules(count: count) }
    for index in 0..<count {
      try memory.listedModule(at: start + 16 * index).check(index: index)
    }
    modules = .list(start: start, count: count)
  }

  private mutating func findOthers<Memory: BootMemory>(
    _ flags: UInt32, at address: UInt64, in memory: Memory
  ) throws(MultibootError) {
    if flags & Version1.hasSections != 0 {
      sections = MultibootSections(
        start: UInt64(try memory.word(at: address + 36)),
        count: UInt64(try memory.word(at: address + 28)),
        stride: UInt64(try memory.word(at: address + 32)))
      try sections.check(in: memory)
      if sections.count > 0 { others[0] = sections.start..<sections.end }
    }
    if flags & Version1.hasSymbols != 0 {
      // Each of two tables follows a word with its size.
      let byteCount =
        UInt64(try memory.word(at: address + 28)) + UInt64(try memory.word(at: address + 32))
      if byteCount > 0 { others[1] = try memory.pointed(by: address + 36, byteCount + 8) }
    }
    if flags & Version1.hasDrives != 0 {
      others[2] = try memory.pointed(by: address + 56, UInt64(memory.word(at: address + 52)))
    }
    if flags & Version1.hasPowerTable != 0 { others[3] = try memory.pointed(by: address + 68, 20) }
    if flags & Version1.hasVideoModes != 0 {
      others[4] = try memory.pointed(by: address + 72, 512)
      others[5] = try memory.pointed(by: address + 76, 256)
    }
    if flags & Version1.hasFrameBuffer != 0 {
      frameBuffer = try MultibootFrameBuffer(at: address + 88, in: memory)
      // A frame buffer with a palette has the type zero in the byte before the palette's address.
      if try memory.word(at: address + 108) >> 8 & 0xff == 0 {
        let low = UInt64(try memory.word(at: address + 108)) >> 16
        let rest = UInt64(try memory.word(at: address + 112))
        let start = low | (rest & 0xffff) << 16
        if start != 0 { others[6] = start..<start + 3 * (rest >> 16) }
      }
    }
  }

  private mutating func findEntries<Memory: BootMemory>(
    at start: UInt64, byteCount: UInt64, in memory: Memory
  ) throws(MultibootError) {
    let end = start + byteCount
    var entry = start
    var index: UInt64 = 0
    while entry < end {
      if end - entry < 4 { throw .entryPastEnd(index: index) }
      let size = UInt64(try memory.word(at: entry))
      if size < 20 { throw .entryTooSmall(index: index) }
      if size > end - entry - 4 { throw .entryPastEnd(index: index) }
      _ = try memory.region(at: entry + 4, index: index)
      entry += 4 + size
      index += 1
    }
    memoryMap = .sizedEntries(start..<end)
    entryCount = Int(index)
  }
}

/// Constants of version 1.
private enum Version1 {
  /// The size of all fields that the standard defines, including those of the frame buffer.
  static let byteCount: UInt64 = 116
  static let maximumModuleCount: UInt64 = 65536

  static let hasMemorySizes: UInt32 = 1 << 0
  static let hasCommandLine: UInt32 = 1 << 2
  static let hasModules: UInt32 = 1 << 3
  static let hasSymbols: UInt32 = 1 << 4
  static let hasSections: UInt32 = 1 << 5
  static let hasMemoryMap: UInt32 = 1 << 6
  static let hasDrives: UInt32 = 1 << 7
  static let hasLoaderName: UInt32 = 1 << 9
  static let hasPowerTable: UInt32 = 1 << 10
  static let hasVideoModes: UInt32 = 1 << 11
  static let hasFrameBuffer: UInt32 = 1 << 12
}

extension BootMemory {
  /// The text that the word at `address` points to; none if it is zero.
  fileprivate func pointedText(at address: UInt64) throws(MultibootError) -> BootTextPlace {
    let start = UInt64(try word(at: address))
    if start == 0 { return .none }
    let limit = start + BootTextPlace.maximumByteCount
    do throws(MultibootError) { return try text(at: start, before: limit) } catch {
      if case .textNotTerminated = error { throw .textTooLong(address: start) }
      throw error
    }
  }

  /// The `byteCount` bytes that the word at `address` points to; none if it is zero.
  fileprivate func pointed(
    by address: UInt64, _ byteCount: UInt64
  ) throws(MultibootError) -> Range<UInt64> {
    let start = UInt64(try word(at: address))
    return start..<(start == 0 ? start : start + byteCount)
  }

  /// The module that is described by the 16 bytes at `address`.
  func listedModule(at address: UInt64) throws(MultibootError) -> MultibootModulePlace {
    MultibootModulePlace(
      start: try word(at: address), end: try word(at: address + 4),
      commandLine: try pointedText(at: address + 8))
  }
}
