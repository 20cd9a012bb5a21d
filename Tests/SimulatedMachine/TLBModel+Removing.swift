import CTessera

// Flushes. Entries that are still reachable are cached again at once, so a flush only removes those
// that differ from the tables in memory.

extension TLBModel {
  /// Executes INVLPG, which flushes translations of any size for `address`, global or not, and all
  /// cached tables, whatever their address.
  mutating func invalidatePage(_ address: UInt64, on number: Int) {
    removeTranslations(covering: address, on: number)
    removeStaleTables(on: number)
    let walk = walk(number)
    guard processors[number].hasRoot, walk.registers.isCanonical(address) else { return }
    if case .page(let page, _, _) = walk.translate(address) { hold(page, on: number) }
  }

  /// Removes every translation for `address`.
  mutating func removeTranslations(covering address: UInt64, on number: Int) {
    var removed: [SimulatedTranslation] = []
    processors[number].translations.remove(covering: address) { removed.append($0) }
    for translation in removed where ownsFrame(translation) { mentions.remove(translation) }
  }

  /// Executes the write of a register of processor `number`.
  mutating func noteWrite(
    _ kind: simulated_control_kind, old: UInt64, new: UInt64, on number: Int
  ) {
    switch kind {
    case simulated_cr0_write: processors[number].registers.cr0 = new
    case simulated_cr3_write: loadRoot(new, on: number)
    case simulated_cr4_write: loadControlRegister4(old: old, new: new, on: number)
    case simulated_efer_write:
      processors[number].registers.efer = new
      // NXE changes the reserved bits, and therefore the reachable entries.
      if (old ^ new) >> 11 & 1 != 0 { startAfresh(number) }
    case simulated_pat_write: processors[number].registers.pat = new
    default: break
    }
  }

  /// Executes MOV to CR3, which flushes translations that are not global, and all cached tables, of
  /// the process context that it selects; but nothing if bit 63 is set.
  private mutating func loadRoot(_ value: UInt64, on number: Int) {
    let old = processors[number].registers
    let keepsContext = old.hasContextIdentifiers && value >> 63 != 0
    if value >> 52 != (keepsContext ? 0x800 : 0) {
      violations.report("processor \(number) loaded CR3 with a reserved bit set")
    }
    processors[number].registers.cr3 = value & 0x000f_ffff_ffff_ffff
    processors[number].registers.hasRoot = true
    let context = processors[number].registers.context
    if context != old.context || keepsContext {
      switchContext(from: old.context, to: context, keepsContext: keepsContext, on: number)
    } else if old.hasRoot && old.root == processors[number].registers.root {
      removeStaleTables(on: number)
    } else {
      removeAllTables(on: number)
      removeLocalTranslations(on: number)
      return fillFromRoot(number)
    }
    if !keepsContext { removeStaleTranslations(on: number, evenGlobal: false) }
  }

  /// Executes MOV to CR4, which flushes everything if PGE changes or PCIDE is cleared.
  private mutating func loadControlRegister4(old: UInt64, new: UInt64, on number: Int) {
    let isEnablingContexts = new & ~old >> 17 & 1 != 0
    if isEnablingContexts && processors[number].registers.cr3 & 0xfff != 0 {
      violations.report("processor \(number) set CR4.PCIDE while CR3 had low bits set")
    }
    processors[number].registers.cr4 = new
    let change = old ^ new
    // LA57 changes the meaning of all entries. Real processors reject that while paging is enabled.
    if change >> 7 & 1 != 0 || change >> 12 & 1 != 0 || old & ~new >> 17 & 1 != 0 {
      startAfresh(number)
    }
  }

  /// Empties the caches, those of all process contexts, and fills them with everything that is
  /// reachable.
  mutating func startAfresh(_ number: Int) {
    processors[number].otherContexts = [:]
    removeAllTables(on: number)
    var removed: [SimulatedTranslation] = []
    processors[number].translations.update({ _ in nil }, removed: { removed.append($0) })
    for translation in removed where ownsFrame(translation) { mentions.remove(translation) }
    fillFromRoot(number)
  }
}

extension TLBModel {
  /// Removes all translations but the global ones, those that match the tables, too.
  private mutating func removeLocalTranslations(on number: Int) {
    var removed: [SimulatedTranslation] = []
    let hasGlobal = processors[number].translations.removeLocal { removed.append($0) }
    for translation in removed where ownsFrame(translation) { mentions.remove(translation) }
    processors[number].mayHaveStaleTranslations = hasGlobal
  }

  /// Removes the translations that differ from the tables, global ones only if `evenGlobal`.
  private mutating func removeStaleTranslations(on number: Int, evenGlobal: Bool) {
    guard processors[number].mayHaveStaleTranslations else { return }
    let walk = walk(number)
    let hasRoot = processors[number].hasRoot
    var keepsGlobal = false
    var removed: [SimulatedTranslation] = []
    processors[number].translations.update(
      { translation in
        if translation.isGlobal && !evenGlobal {
          keepsGlobal = true
          return translation
        }
        guard hasRoot, case .page(let page, _, _) = walk.translate(translation.virtualAddress),
          page.isSame(as: translation)
        else { return nil }
        return page
      }, removed: { removed.append($0) })
    for translation in removed where ownsFrame(translation) { mentions.remove(translation) }
    processors[number].mayHaveStaleTranslations = keepsGlobal
  }

  /// Removes the cached tables that are no longer reachable from the root.
  private mutating func removeStaleTables(on number: Int) {
    guard processors[number].mayHaveStaleTables else { return }
    let walk = walk(number)
    let hasRoot = processors[number].hasRoot
    removeTables(on: number) { address, position in
      guard hasRoot, let found = walk.table(at: position.start, level: position.level) else {
        return false
      }
      return found.address == address && found.position == position
    }
    processors[number].mayHaveStaleTables = false
  }

  mutating func removeAllTables(on number: Int) {
    removeTables(on: number) { _, _ in false }
    processors[number].mayHaveStaleTables = false
  }

  mutating func removeTables(
    on number: Int, unless isKept: (_ address: UInt64, TablePosition) -> Bool
  ) {
    var frames = processors[number].tableFrames
    frames.removeAll { frame in
      tables[frame].removeAll {
        $0.processor == number && !isKept(UInt64(frame) << 12, $0.position)
      }
      return !tables[frame].contains { $0.processor == number }
    }
    processors[number].tableFrames = frames
  }
}
