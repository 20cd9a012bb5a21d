/// The translations that one processor may cache, several for a page that has changed.
struct TranslationSet {
  private struct Node {
    var translation: SimulatedTranslation
    /// The time of insertion, from a clock of the whole machine.
    var age: UInt64
    /// The index of the next younger node of the same page, or -1.
    var next: Int
  }

  /// The index of the oldest node of each page; the key is the page's address plus its level.
  private var heads: [UInt64: Int] = [:]
  private var nodes: [Node] = []
  private var firstUnused = -1

  /// Inserts `translation`, or merges its accessed and dirty bits into an equal one. Returns
  /// whether it was inserted.
  mutating func insert(_ translation: SimulatedTranslation, age: UInt64) -> Bool {
    let key = Self.key(translation.virtualAddress, level: translation.level)
    var last = -1
    var index = heads[key] ?? -1
    while index >= 0 {
      if nodes[index].translation.isSame(as: translation) {
        if translation.isAccessed { nodes[index].translation.isAccessed = true }
        if translation.isDirty { nodes[index].translation.isDirty = true }
        return false
      }
      last = index
      index = nodes[index].next
    }
    let new = makeNode(Node(translation: translation, age: age, next: -1))
    if last >= 0 { nodes[last].next = new } else { heads[key] = new }
    return true
  }

  /// Removes the translations of all sizes for `address`.
  mutating func remove(covering address: UInt64, _ removed: (SimulatedTranslation) -> Void) {
    for level in 1...3 {
      guard var index = heads.removeValue(forKey: Self.key(address, level: level)) else { continue }
      while index >= 0 {
        removed(nodes[index].translation)
        let next = nodes[index].next
        discardNode(index)
        index = next
      }
    }
  }

  /// Replaces each translation with the result of `update`, which may differ in accessed and dirty
  /// bits only, or removes it if that is nil.
  mutating func update(
    _ update: (SimulatedTranslation) -> SimulatedTranslation?,
    removed: (SimulatedTranslation) -> Void
  ) {
    // What is the same as another one would be so before, too: no two of a page become equal.
    for (key, head) in heads {
      var (index, first, last) = (head, -1, -1)
      while index >= 0 {
        let next = nodes[index].next
        if let translation = update(nodes[index].translation) {
          nodes[index].translation = translation
          if last >= 0 { nodes[last].next = index } else { first = index }
          last = index
        } else {
          removed(nodes[index].translation)
          discardNode(index)
        }
        index = next
      }
      if last >= 0 { nodes[last].next = -1 }
      if first != head { heads[key] = first >= 0 ? first : nil }
    }
  }

  /// Returns the translations of all sizes for `address`, oldest first.
  func covering(_ address: UInt64) -> [SimulatedTranslation] {
    var found: [Node] = []
    for level in 1...3 {
      var index = heads[Self.key(address, level: level)] ?? -1
      while index >= 0 {
        found.append(nodes[index])
        index = nodes[index].next
      }
    }
    return found.sorted { $0.age < $1.age }.map(\.translation)
  }

  /// Returns whether there is a translation of `address` at `level`.
  func contains(_ address: UInt64, level: Int) -> Bool {
    heads[Self.key(address, level: level)] != nil
  }

  /// Returns whether the set contains `translation`, ignoring accessed and dirty bits.
  func contains(_ translation: SimulatedTranslation) -> Bool {
    var index = heads[Self.key(translation.virtualAddress, level: translation.level)] ?? -1
    while index >= 0 {
      if nodes[index].translation.isSame(as: translation) { return true }
      index = nodes[index].next
    }
    return false
  }

  /// All translations, ordered by address.
  var all: [SimulatedTranslation] {
    sortedByAge.map(\.translation).sorted { $0.virtualAddress < $1.virtualAddress }
  }

  func visit(_ body: (SimulatedTranslation) -> Void) {
    for var index in heads.values {
      while index >= 0 {
        body(nodes[index].translation)
        index = nodes[index].next
      }
    }
  }

  private var sortedByAge: [Node] {
    var result: [Node] = []
    for var index in heads.values {
      while index >= 0 {
        result.append(nodes[index])
        index = nodes[index].next
      }
    }
    return result.sorted { $0.age < $1.age }
  }

  private static func key(_ address: UInt64, level: Int) -> UInt64 {
    address & ~(RawEntry.byteCount(level: level) - 1) | UInt64(level)
  }

  private mutating func makeNode(_ node: Node) -> Int {
    guard firstUnused >= 0 else {
      nodes.append(node)
      return nodes.count - 1
    }
    let index = firstUnused
    firstUnused = nodes[index].next
    nodes[index] = node
    return index
  }

  private mutating func discardNode(_ index: Int) {
    nodes[index].next = firstUnused
    firstUnused = index
  }
}
