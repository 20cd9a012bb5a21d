import Synchronization

/// Addresses of frames that move from one processor to another.
final class Mailbox: Sendable {
  static let count = 4

  private let first = Atomic<UInt64>(0)
  private let second = Atomic<UInt64>(0)
  private let third = Atomic<UInt64>(0)
  private let fourth = Atomic<UInt64>(0)

  /// Stores `address` at `place`, and returns the previous one, if any.
  func exchange(_ address: UInt64, at place: Int) -> UInt64? {
    let old =
      switch place {
      case 0: first.exchange(address, ordering: .acquiringAndReleasing)
      case 1: second.exchange(address, ordering: .acquiringAndReleasing)
      case 2: third.exchange(address, ordering: .acquiringAndReleasing)
      default: fourth.exchange(address, ordering: .acquiringAndReleasing)
      }
    return old == 0 ? nil : old
  }
}
