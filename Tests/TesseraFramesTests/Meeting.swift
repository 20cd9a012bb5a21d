import Foundation
import Synchronization

/// A reusable barrier for a number of threads.
final class Meeting: Sendable {
  private let participantCount: UInt64
  private let arrivals = Atomic<UInt64>(0)

  init(of participantCount: Int) { self.participantCount = UInt64(participantCount) }

  /// Waits until all threads have called this as often as the caller has.
  func wait(meanwhile body: () -> Void = {}) {
    let mine = arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
    let end = (mine / participantCount + 1) * participantCount
    // There may be more threads than processors.
    while arrivals.load(ordering: .acquiring) < end {
      body()
      sched_yield()
    }
  }
}
