// Process contexts: what a processor has cached under identifiers other than the one in CR3.

/// What a processor keeps of a process context that is not in CR3. It uses nothing of it, and adds
/// nothing, until CR3 selects it again.
struct KeptContext {
  /// The tables, oldest first, with their addresses.
  var tables: [(address: UInt64, position: TablePosition)] = []
  /// The translations that are not global.
  var translations: [SimulatedTranslation] = []
}

extension TLBModel {
  /// Keeps what processor `number` has cached under the identifier `old`, and has it use what it
  /// has kept under `new`, or nothing unless it `keepsContext`. Global translations belong to all.
  mutating func switchContext(from old: UInt64, to new: UInt64, keepsContext: Bool, on number: Int)
  {
    if new != old { processors[number].otherContexts[old] = takeContext(of: number) }
    let kept = processors[number].otherContexts.removeValue(forKey: new)
    if keepsContext, let kept { restore(kept, on: number) }
    fillFromRoot(number)
    processors[number].mayHaveStaleTables = true
    processors[number].mayHaveStaleTranslations = true
  }

  /// Removes the context that processor `number` uses, and returns it.
  private mutating func takeContext(of number: Int) -> KeptContext {
    var context = KeptContext()
    removeTables(on: number) { address, position in
      context.tables.append((address, position))
      return false
    }
    processors[number].translations.update(
      { $0.isGlobal ? $0 : nil }, removed: { context.translations.append($0) })
    for translation in context.translations where ownsFrame(translation) {
      mentions.remove(translation)
    }
    return context
  }

  /// Has processor `number` use `context`: the translations in it, and whatever can be reached from
  /// the tables in it by now.
  private mutating func restore(_ context: KeptContext, on number: Int) {
    for translation in context.translations { hold(translation, on: number) }
    for (address, position) in context.tables {
      hold(tableAt: address, CachedTable(processor: number, position: position))
    }
  }
}
