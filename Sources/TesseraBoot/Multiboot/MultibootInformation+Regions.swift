internal import TesseraHardware

extension MultibootInformation {
  /// Calls `body` for each entry of the loader's map, and for each range that the loader has used.
  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    forEachEntry(body)
    body(used(layout.information))
    body(used(layout.commandLine))
    body(used(layout.loaderName))
    if case .sizedEntries(let range) = layout.memoryMap { body(used(range)) }
    if case .list(let start, let count) = layout.modules { body(used(start..<start + 16 * count)) }
    forEachModulePlace { module in
      body(
        MemoryRegion(
          start: PhysicalAddress(UInt64(module.start)), end: PhysicalAddress(UInt64(module.end)),
          kind: .module))
      body(used(module.commandLine))
    }
    for index in layout.others.indices { body(used(layout.others[index])) }
    if let region = layout.frameBuffer.region { body(region) }
    for index in 0..<layout.sections.count {
      let section = memory.knownSection(at: index, of: layout.sections)
      if section.isLoadedBesideImage {
        body(used(section.start..<section.start + section.byteCount))
      }
    }
  }

  /// Calls `body` for each module in the loader's order.
  public func forEachModule(_ body: (MultibootModule<Memory>) -> Void) {
    forEachModulePlace { module in
      body(
        MultibootModule(
          start: PhysicalAddress(UInt64(module.start)), end: PhysicalAddress(UInt64(module.end)),
          commandLine: BootText(memory, module.commandLine)))
    }
  }

  /// The region of the loader's information at `range`.
  private func used(_ range: Range<UInt64>) -> MemoryRegion {
    MemoryRegion(
      start: PhysicalAddress(range.lowerBound), end: PhysicalAddress(range.upperBound),
      kind: .bootInformation)
  }

  /// The region of a text and its zero byte; empty if there is no text.
  private func used(_ text: BootTextPlace) -> MemoryRegion {
    used(text.start..<(text.start == 0 ? 0 : text.start + text.byteCount + 1))
  }

  private func forEachEntry(_ body: (MemoryRegion) -> Void) {
    switch layout.memoryMap {
    case .none: break
    case .sizes(let lower, let upper):
      body(
        MemoryRegion(start: .zero, end: .zero + UInt64(lower) << 10, kind: .usable))
      let upperStart = PhysicalAddress(0x10_0000)
      body(MemoryRegion(start: upperStart, end: upperStart + UInt64(upper) << 10, kind: .usable))
    case .entries(let range, let stride):
      var entry = range.lowerBound
      while entry < range.upperBound {
        memory.knownRegion(at: entry, body)
        entry += stride
      }
    case .sizedEntries(let range):
      var entry = range.lowerBound
      while entry < range.upperBound {
        memory.knownRegion(at: entry + 4, body)
        entry += 4 + UInt64(memory.knownWord(at: entry))
      }
    }
  }

  private func forEachModulePlace(_ body: (MultibootModulePlace) -> Void) {
    switch layout.modules {
    case .none: break
    case .list(let start, let count):
      for index in 0..<count { memory.knownListedModule(at: start + 16 * index, body) }
    case .tags:
      var address = layout.information.lowerBound + 8
      while address < layout.information.upperBound {
        let tag = MultibootTag(
          address: address, type: memory.knownWord(at: address),
          byteCount: UInt64(memory.knownWord(at: address + 4)))
        if tag.byteCount < 8 { memory.changed() }
        if tag.type == MultibootTag.module { memory.knownTaggedModule(tag, body) }
        address += tag.stride
      }
    }
  }
}

/// Reads information that has been checked. An error means that it was overwritten since, or that
/// the `BootMemory` breaks its contract.
extension BootMemory {
  func knownByte(at address: UInt64) -> UInt8 {
    guard let byte = byte(at: address) else { changed() }
    return byte
  }

  fileprivate func knownWord(at address: UInt64) -> UInt32 {
    do throws(MultibootError) { return try word(at: address) } catch { changed() }
  }

  fileprivate func knownRegion(at address: UInt64, _ body: (MemoryRegion) -> Void) {
    do throws(MultibootError) {
      if let region = try region(at: address, index: 0) { body(region) }
    } catch { changed() }
  }

  func knownSection(at index: UInt64, of sections: MultibootSections) -> MultibootSection {
    do throws(MultibootError) { return try section(at: index, of: sections) } catch { changed() }
  }

  fileprivate func knownListedModule(
    at address: UInt64, _ body: (MultibootModulePlace) -> Void
  ) {
    do throws(MultibootError) { body(try listedModule(at: address)) } catch { changed() }
  }

  fileprivate func knownTaggedModule(
    _ tag: MultibootTag, _ body: (MultibootModulePlace) -> Void
  ) {
    do throws(MultibootError) { body(try taggedModule(tag)) } catch { changed() }
  }

  fileprivate func changed() -> Never {
    panic("the loader's information changed after it was checked")
  }
}
