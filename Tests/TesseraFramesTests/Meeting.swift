import Foundation
import Synchronization

/// Where a number of threads wait for each other, again and again.
final class Meeting: Sendable {
  private let participantCount: UInt64
  private let arrivals = Atomic<UInt64>(0)

  init(of participantCount: Int) { self.participantCount = UInt64(participantCount) }

  /// Waits until all have arrived as often as the caller has.
  func wait() {
    let mine = arrivals.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
    let end = (mine / participantCount + 1) * participantCount
    // There may be more threads than processors.
    while arrivals.load(ordering: .acquiring) < end { sched_yield() }
  }
}
