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
  private var heads = PageIndex()
  private var nodes: [Node] = []
  private var firstUnused = -1

  /// Inserts `translation`, or merges its accessed and dirty bits into an equal one. Returns
  /// whether it was inserted.
  mutating func insert(_ translation: SimulatedTranslation, age: UInt64) -> Bool {
    let key = Self.key(translation.virtualAddress, level: translation.level)
    var last = -1
    var index = heads[key]
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
    if last >= 0 { nodes[last].next = new } else { heads.set(key, to: new) }
    return true
  }

  /// Removes the translations of all sizes for `address`.
  mutating func remove(covering address: UInt64, _ removed: (SimulatedTranslation) -> Void) {
    for level in 1...3 {
      var index = heads.remove(Self.key(address, level: level))
      while index >= 0 {
        removed(nodes[index].translation)
        let next = nodes[index].next
        discardNode(index)
        index = next
      }
    }
  }

  /// Removes all translations that are not global. Returns whether some are left.
  mutating func removeLocal(_ removed: (SimulatedTranslation) -> Void) -> Bool {
    var hasGlobal = false
    visit { if $0.isGlobal { hasGlobal = true } else { removed($0) } }
    if hasGlobal {
      update({ $0.isGlobal ? $0 : nil }, removed: { _ in })
    } else {
      heads.removeAll()
      nodes.removeAll(keepingCapacity: true)
      firstUnused = -1
    }
    return hasGlobal
  }

  /// Replaces each translation with the result of `update`, which may differ in accessed and dirty
  /// bits only, or removes it if that is nil.
  mutating func update(
    _ update: (SimulatedTranslation) -> SimulatedTranslation?,
    removed: (SimulatedTranslation) -> Void
  ) {
    var pages: [Int] = []
    pages.reserveCapacity(heads.count)
    heads.visit { pages.append($0) }
    // What is the same as another one would be so before, too: no two of a page become equal.
    for head in pages {
      let page = nodes[head].translation
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
      if first == head { continue }
      let key = Self.key(page.virtualAddress, level: page.level)
      if first >= 0 { heads.set(key, to: first) } else { _ = heads.remove(key) }
    }
  }

  /// Returns the translations of all sizes for `address`, oldest first.
  func covering(_ address: UInt64) -> [SimulatedTranslation] {
    var found: [Node] = []
    for level in 1...3 {
      var index = heads[Self.key(address, level: level)]
      while index >= 0 {
        found.append(nodes[index])
        index = nodes[index].next
      }
    }
    return found.sorted { $0.age < $1.age }.map(\.translation)
  }

  /// Returns the oldest translation of any size for `address`.
  func oldest(covering address: UInt64) -> SimulatedTranslation? {
    var oldest = -1
    for level in 1...3 {
      let head = heads[Self.key(address, level: level)]
      if head >= 0 && (oldest < 0 || nodes[head].age < nodes[oldest].age) { oldest = head }
    }
    return oldest >= 0 ? nodes[oldest].translation : nil
  }

  /// Returns whether there is a translation of `address` at `level`.
  func contains(_ address: UInt64, level: Int) -> Bool {
    heads[Self.key(address, level: level)] >= 0
  }

  /// Returns whether the set contains `translation`, ignoring accessed and dirty bits.
  func contains(_ translation: SimulatedTranslation) -> Bool {
    var index = heads[Self.key(translation.virtualAddress, level: translation.level)]
    while index >= 0 {
      if nodes[index].translation.isSame(as: translation) { return true }
      index = nodes[index].next
    }
    return false
  }

  /// All translations, ordered by address.
  var all: [SimulatedTranslation] { all { _ in true } }

  /// The translations for which `isIncluded` returns true, ordered by address.
  func all(where isIncluded: (SimulatedTranslation) -> Bool) -> [SimulatedTranslation] {
    var found: [Node] = []
    visitNodes { if isIncluded($0.translation) { found.append($0) } }
    found.sort {
      let (left, right) = ($0.translation.virtualAddress, $1.translation.virtualAddress)
      return left == right ? $0.age < $1.age : left < right
    }
    return found.map(\.translation)
  }

  func visit(_ body: (SimulatedTranslation) -> Void) { visitNodes { body($0.translation) } }

  private func visitNodes(_ body: (Node) -> Void) {
    heads.visit { head in
      var index = head
      while index >= 0 {
        body(nodes[index])
        index = nodes[index].next
      }
    }
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
