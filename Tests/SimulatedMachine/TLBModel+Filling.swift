// Caches entries as soon as they become reachable.

extension TLBModel {
  /// Caches the entry that was just written at `address`, where `old` was before.
  mutating func noteWrite(at address: UInt64, old: UInt64) {
    let frame = Int(address >> 12)
    guard frame < tables.count else {
      violations.report("an entry was written at \(hexadecimal(address)), where there is no memory")
      return
    }
    let word = memory.load(address)
    reportNamedMemory(word, at: address)
    let index = Int(address >> 3 & 511)
    var position = 0
    // The list may grow in the loop, if a table leads to itself.
    while position < tables[frame].count {
      let table = tables[frame][position]
      if old & 1 != 0 && old != word { markStale(table, old) }
      hold(word, entryAddress: address, index: index, of: table)
      position += 1
    }
  }

  /// Reports an entry that is not present but contains the address of memory, which a processor may
  /// read speculatively (CVE-2018-3620, "L1 terminal fault").
  private mutating func reportNamedMemory(_ word: UInt64, at address: UInt64) {
    let named = word & 0x000f_ffff_ffff_f000
    guard word & 1 == 0 && named != 0 && memory.contains(named) else { return }
    violations.report(
      "the entry at \(hexadecimal(address)) is not present, but names memory at"
        + " \(hexadecimal(named))")
  }

  /// Remembers that the caches may hold the entry `old` of `table`, which was overwritten.
  private mutating func markStale(_ table: CachedTable, _ old: UInt64) {
    processors[table.processor].mayHaveStaleTranslations = true
    if !RawEntry(word: old).isPage(level: table.position.level) {
      processors[table.processor].mayHaveStaleTables = true
    }
  }

  /// Caches everything that is reachable from the root of processor `number`.
  mutating func fillFromRoot(_ number: Int) {
    guard processors[number].hasRoot else { return }
    let registers = processors[number].registers
    hold(tableAt: registers.root, CachedTable(processor: number, position: .root(registers)))
  }

  /// Caches the table or translation of the entry `word`.
  private mutating func hold(
    _ word: UInt64, entryAddress: UInt64, index: Int, of table: CachedTable
  ) {
    let registers = processors[table.processor].registers
    switch registers.step(word, index: index, of: table.position) {
    case .absent, .reserved: return
    case .table(let address, let position):
      if options.setsAccessedAtOnce { _ = memory.set(0x20, at: entryAddress, expecting: word) }
      hold(tableAt: address, CachedTable(processor: table.processor, position: position))
    case .page(var translation):
      if options.setsAccessedAtOnce && memory.set(0x20, at: entryAddress, expecting: word) {
        translation.isAccessed = true
      }
      hold(translation, on: table.processor)
    }
  }

  /// Caches the table at `address` and everything that is reachable from it.
  mutating func hold(tableAt address: UInt64, _ table: CachedTable) {
    guard memory.contains(address) else {
      violations.report(
        "an entry for \(hexadecimal(table.position.start)) names a table at"
          + " \(hexadecimal(address)), where there is no memory")
      return
    }
    let frame = Int(address >> 12)
    guard !tables[frame].contains(table) else { return }
    if !tables[frame].contains(where: { $0.processor == table.processor }) {
      processors[table.processor].tableFrames.append(frame)
    }
    tables[frame].append(table)
    let memory = memory
    memory.visitPresent(ofTable: address) { index, word in
      hold(word, entryAddress: address + UInt64(index) * 8, index: index, of: table)
    }
  }

  /// Caches a translation.
  mutating func hold(_ translation: SimulatedTranslation, on number: Int) {
    guard processors[number].translations.insert(translation, age: tick()) else { return }
    if ownsFrame(translation) { mentions.add(translation) }
    if options.sizeChange == .atOnce { reportTwoSizes(translation, on: number) }
  }

  /// Returns whether the frame of `translation` must not be freed while it is cached.
  func ownsFrame(_ translation: SimulatedTranslation) -> Bool {
    options.permanentRanges.isEmpty
      || !options.permanentRanges.contains { $0.contains(translation.virtualAddress) }
  }

  private mutating func reportTwoSizes(_ translation: SimulatedTranslation, on number: Int) {
    let set = processors[number].translations
    for other in 1...3 where other != translation.level {
      let isHeld =
        other > translation.level
        ? set.contains(translation.virtualAddress, level: other)
        : set.all.contains {
          $0.level == other
            && $0.virtualAddress &- translation.virtualAddress < translation.byteCount
        }
      guard isHeld else { continue }
      violations.report(
        "processor \(number) may cache two sizes for \(hexadecimal(translation.virtualAddress))")
    }
  }
}
