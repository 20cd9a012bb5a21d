internal import Synchronization

/// A number that several processors may add to and read.
package struct AtomicCounter: ~Copyable {
  private let word = Atomic<UInt64>(0)

  package init() {}

  package var value: UInt64 {
    // Ordering: acquiring, pairs with the releasing operations below, so that who sees the number
    // sees what came before it.
    word.load(ordering: .acquiring)
  }

  package func add(_ amount: UInt64) {
    // Ordering: releasing, pairs with the load in `value`.
    word.wrappingAdd(amount, ordering: .releasing)
  }

  package func set(_ value: UInt64) {
    // Ordering: releasing, pairs with the load in `value`.
    word.store(value, ordering: .releasing)
  }
}
