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
    let cache = processors[number]
    let wrong = cache.translations.all {
      incoherence(of: $0, in: cache, ignoringAccessed) != nil
        && !isPending($0.virtualAddress, $0.byteCount)
    }
    for translation in wrong {
      let reason = incoherence(of: translation, in: cache, ignoringAccessed) ?? ""
      found.append("processor \(number) may cache \(translation), but \(reason)")
    }
    for frame in cache.tableFrames {
      for table in tables[frame]
      where table.processor == number && !isCurrent(table, frame, in: cache)
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
    of translation: SimulatedTranslation, in cache: ProcessorCache, _ ignoringAccessed: Bool
  ) -> String? {
    for level in 1...3
    where level > translation.level
      && cache.translations.contains(translation.virtualAddress, level: level)
    {
      return "it may also cache a larger page for that address"
    }
    let walk = TableWalk(memory: memory, registers: cache.registers)
    guard cache.hasRoot, case .page(let now, _, _) = walk.translate(translation.virtualAddress)
    else { return "nothing is mapped there" }
    if now.level != translation.level { return "the page has another size: \(now)" }
    if now.physicalAddress != translation.physicalAddress { return "the tables say \(now)" }
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

  private func isCurrent(_ table: CachedTable, _ frame: Int, in cache: ProcessorCache) -> Bool {
    let position = table.position
    let walk = TableWalk(memory: memory, registers: cache.registers)
    guard cache.hasRoot, let now = walk.table(at: position.start, level: position.level)
    else { return false }
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
      memory.visitPresent(ofTable: table) { index, word in
        let address = table + UInt64(index) * 8
        let isKnown: Bool
        switch registers.step(word, index: index, of: position) {
        case .absent, .reserved: return
        case .page(let page): isKnown = processors[number].translations.contains(page)
        case .table(let below, let next):
          guard memory.contains(below) else { return }
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
