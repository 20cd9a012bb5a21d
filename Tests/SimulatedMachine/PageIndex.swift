/// A map from pages, as keys that are not zero, to indices.
///
/// A `Dictionary` would do, but most of the time of a walk that is watched by an MMU would be its
/// hashing, which withstands chosen keys. The tables of a program choose none.
struct PageIndex {
  /// The keys, each at the first free place from that of its hash on; zero where there is none.
  private var keys: [UInt64] = Array(repeating: 0, count: 64)
  private var values: [Int] = Array(repeating: -1, count: 64)
  private(set) var count = 0

  /// The index of `key`, or -1.
  subscript(key: UInt64) -> Int {
    let place = place(of: key)
    return keys[place] == key ? values[place] : -1
  }

  /// Sets the index of `key`, which may be there already.
  mutating func set(_ key: UInt64, to value: Int) {
    precondition(key != 0, "a page's key has its level")
    var place = place(of: key)
    if keys[place] != key {
      if 2 * (count + 1) > keys.count {
        grow()
        place = self.place(of: key)
      }
      keys[place] = key
      count += 1
    }
    values[place] = value
  }

  /// Removes `key`. Returns its index, or -1 if it was not there.
  mutating func remove(_ key: UInt64) -> Int {
    var hole = place(of: key)
    guard keys[hole] == key else { return -1 }
    let value = values[hole]
    // What follows in the same run moves up, unless the hole is before the place of its hash.
    var next = hole
    while true {
      next = (next + 1) & (keys.count - 1)
      if keys[next] == 0 { break }
      let distance = (next - hash(keys[next])) & (keys.count - 1)
      guard distance >= (next - hole) & (keys.count - 1) else { continue }
      keys[hole] = keys[next]
      values[hole] = values[next]
      hole = next
    }
    keys[hole] = 0
    count -= 1
    return value
  }

  mutating func removeAll() {
    guard count > 0 else { return }
    for place in keys.indices { keys[place] = 0 }
    count = 0
  }

  /// Calls `body` with the index of each key, in no order.
  @inline(__always)
  func visit(_ body: (Int) -> Void) {
    for place in keys.indices where keys[place] != 0 { body(values[place]) }
  }

  private func place(of key: UInt64) -> Int {
    var place = hash(key)
    while keys[place] != key && keys[place] != 0 { place = (place + 1) & (keys.count - 1) }
    return place
  }

  /// The place at which the search for `key` begins.
  private func hash(_ key: UInt64) -> Int {
    Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32) & (keys.count - 1)
  }

  private mutating func grow() {
    let (oldKeys, oldValues) = (keys, values)
    keys = Array(repeating: 0, count: 2 * oldKeys.count)
    values = Array(repeating: -1, count: 2 * oldKeys.count)
    for place in oldKeys.indices where oldKeys[place] != 0 {
      let new = self.place(of: oldKeys[place])
      keys[new] = oldKeys[place]
      values[new] = oldValues[place]
    }
  }
}
