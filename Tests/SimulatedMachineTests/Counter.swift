import Synchronization

/// A counter that several threads increment.
final class Counter: Sendable {
  private let count = Atomic<Int>(0)

  // Ordering: relaxed; read after the threads have ended.
  func add() { count.wrappingAdd(1, ordering: .relaxed) }

  // Ordering: relaxed; nothing else runs.
  func reset() { count.store(0, ordering: .relaxed) }

  // Ordering: relaxed; see `add`.
  var value: Int { count.load(ordering: .relaxed) }
}
