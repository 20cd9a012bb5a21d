import Synchronization

/// A number that several threads add to.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  // Ordering: relaxed; read once the threads are done.
  func add() { count.wrappingAdd(1, ordering: .relaxed) }

  // Ordering: relaxed; see `add`.
  var value: Int { count.load(ordering: .relaxed) }
}
