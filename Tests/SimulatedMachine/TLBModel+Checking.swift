// Compares the caches with the tables in memory and with freed frames.

extension TLBModel {
  /// Reports the processors that may still use frames that were just freed.
  mutating func noteFree(from address: UInt64, byteCount: UInt64) {
    let first = Int(address >> 12)
    let end = min(Int((address + byteCount) >> 12), tables.count)
    guard first < end else { return }
    for frame in first..<end where !tables[frame].isEmpty || mentions.contains(frame) {
      reportMentions(of: frame)
    }
  }

  private mutating func reportMentions(of frame: Int) {
    let address = UInt64(frame) << 12
    for table in tables[frame] where !options.haltedProcessors.contains(table.processor) {
      let position = table.position
      let use =
        processors[table.processor].registers.root == address
          && position.level == processors[table.processor].registers.levelCount
        ? "is the root of processor \(table.processor)"
        : "may be used by processor \(table.processor) as the table of level"
          + " \(position.level) for \(hexadecimal(position.start))"
      violations.report("frame \(hexadecimal(address)) was freed while it \(use)")
    }
    for number in processors.indices where !options.haltedProcessors.contains(number) {
      for translation in processors[number].translations.all
      where ownsFrame(translation)
        && address &- translation.physicalAddress < translation.byteCount
      {
        violations.report(
          "frame \(hexadecimal(address)) was freed while processor \(number) may cache"
            + " \(translation)")
      }
    }
  }
}

extension TLBModel {
  /// Returns the differences between the caches of processor `number` and its tables.
  ///
  /// A translation may grant less than the tables do, because the kernel retries an access after
  /// the resulting spurious fault.
  func incoherences(
    on number: Int, except pending: [Range<UInt64>], ignoringAccessed: Bool
  ) -> [String] {
    if options.haltedProcessors.contains(number) { return [] }
    func isPending(_ start: UInt64, _ byteCount: UInt64) -> Bool {
      pending.contains { $0.lowerBound <= start && start &+ (byteCount &- 1) < $0.upperBound }
    }
    var found: [String] = []
    for translation in processors[number].translations.all
    where !isPending(translation.virtualAddress, translation.byteCount) {
      if let reason = incoherence(of: translation, on: number, ignoringAccessed) {
        found.append("processor \(number) may cache \(translation), but \(reason)")
      }
    }
    for frame in processors[number].tableFrames {
      for table in tables[frame]
      where table.processor == number && !isCurrent(table, frame)
        && !isPending(
          table.position.start, RawEntry.byteCount(level: table.position.level + 1))
      {
        found.append(
          "processor \(number) may use the table at \(hexadecimal(UInt64(frame) << 12)) for"
            + " \(hexadecimal(table.position.start)), but the tables do not lead there")
      }
    }
    return found + unannounced(on: number)
  }

  private func incoherence(
    of translation: SimulatedTranslation, on number: Int, _ ignoringAccessed: Bool
  ) -> String? {
    let set = processors[number].translations
    for level in 1...3
    where level > translation.level && set.contains(translation.virtualAddress, level: level) {
      return "it may also cache a larger page for that address"
    }
    guard processors[number].hasRoot,
      case .page(let now, _, _) = walk(number).translate(translation.virtualAddress)
    else { return "nothing is mapped there" }
    if now.level != translation.level { return "the page has another size: \(now)" }
    if now.physicalAddress != translation.physicalAddress { return "the tables say \(now)" }
    let cache = processors[number]
    let excess = cache.accesses(translation.rights).subtracting(cache.accesses(now.rights))
    if !excess.isEmpty { return "\(excess) is not allowed" }
    if now.memoryTypeIndex != translation.memoryTypeIndex { return "the memory type differs" }
    if translation.isGlobal && !now.isGlobal { return "the page is not global" }
    if translation.isDirty && !now.isDirty { return "the dirty bit is clear" }
    if translation.isAccessed && !now.isAccessed && !ignoringAccessed {
      return "the accessed bit is clear"
    }
    return nil
  }

  private func isCurrent(_ table: CachedTable, _ frame: Int) -> Bool {
    let position = table.position
    guard processors[table.processor].hasRoot,
      let now = walk(table.processor).table(at: position.start, level: position.level)
    else { return false }
    let cache = processors[table.processor]
    return now.address == UInt64(frame) << 12
      && cache.accesses(position.rights).isSubset(of: cache.accesses(now.position.rights))
  }

  /// Returns the reachable entries that were written without a notification. The caches would be
  /// incomplete because of them.
  private func unannounced(on number: Int) -> [String] {
    guard processors[number].hasRoot else { return [] }
    var found: [String] = []
    let registers = processors[number].registers
    var waiting = [(registers.root, TablePosition.root(registers))]
    while let (table, position) = waiting.popLast() {
      for index in 0..<512 {
        let address = table + UInt64(index) * 8
        let isKnown: Bool
        switch registers.step(memory.load(address), index: index, of: position) {
        case .absent, .reserved: continue
        case .page(let page): isKnown = processors[number].translations.contains(page)
        case .table(let below, let next):
          guard memory.contains(below) else { continue }
          isKnown = tables[Int(below >> 12)].contains(
            CachedTable(processor: number, position: next))
          if isKnown { waiting.append((below, next)) }
        }
        if !isKnown {
          found.append("the entry at \(hexadecimal(address)) changed without notification")
        }
      }
    }
    return found
  }
}
