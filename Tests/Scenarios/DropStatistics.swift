package import TesseraHardware

private let calls = AtomicCounter()
private let sum = AtomicCounter()
private let lastAddress = AtomicCounter()
private let lastWord = AtomicCounter()
private let destructions = AtomicCounter()
private let failures = AtomicCounter()

/// The drops that the metadata of the scenarios was notified of.
///
/// One for the whole run: scenarios compare differences.
package enum DropStatistics {
  /// How many frames were dropped.
  package static var callCount: UInt64 { calls.value }

  /// A sum over all drops that tells which values were dropped at which addresses.
  package static var checksum: UInt64 { sum.value }

  /// The frame of the last drop, and the first word it held.
  package static var last: (address: UInt64, word: UInt64) { (lastAddress.value, lastWord.value) }

  /// How many values that are not copyable were destroyed.
  package static var destructionCount: UInt64 { destructions.value }

  /// The number of attempts to reach a frame that failed while it was being dropped.
  package static var failureCount: UInt64 { failures.value }

  static func note(_ value: UInt64, _ address: PhysicalAddress, word: UInt64) {
    calls.add(1)
    sum.add(mix(value, address, word: word))
    lastAddress.set(address.rawValue)
    lastWord.set(word)
  }

  static func noteDestruction() { destructions.add(1) }

  static func noteFailure() { failures.add(1) }

  /// What one drop adds to the checksum.
  package static func mix(_ value: UInt64, _ address: PhysicalAddress, word: UInt64) -> UInt64 {
    var mixed = value &* 0x9e37_79b9_7f4a_7c15
    mixed ^= address.rawValue &* 0xbf58_476d_1ce4_e5b9
    mixed ^= word &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 29)
  }
}
