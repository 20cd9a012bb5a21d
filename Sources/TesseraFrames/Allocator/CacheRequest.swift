internal import Synchronization

/// What other processors ask of the one that a cache belongs to: to lend them its frames.
///
/// A processor uses its cache without a lock, by plain loads and stores. So no other may touch the
/// frames in it, not even under a lock: the owner would notice too late, unless it executed a
/// locked instruction each time. Instead, the one that needs frames asks, and the owner gives the
/// cache up itself, in a handler of an interrupt or where it waits, with interrupts off:
///
///     others, under the lock   request made; then the owner is interrupted
///     owner, without a lock    number of frames stored here; count of the cache set to `lent`;
///                              request answered
///     others, under the lock   frames moved to the zones; number here set to 0
///
/// To the owner's fast paths a lent cache appears closed. So it takes the lock the next time, moves
/// the frames to the zones if that has not been done, and opens the cache, empty.
///
/// The owner takes no lock and waits for nothing. Who asks does wait, but for a bounded time.
///
/// Access: atomic, in a cache line apart from what the owner uses.
struct CacheRequest: ~Copyable {
  private let state = Atomic<Int>(Self.none)
  private let lentFrameCount = Atomic<Int>(0)

  private static var none: Int { 0 }
  private static var isAsked: Int { 1 }
  /// Asked, and the others no longer wait for an answer.
  private static var isLate: Int { 2 }

  /// Whether the owner has to answer.
  @inline(__always)
  var isPending: Bool {
    // Ordering: acquiring, pairs with the store in `make`: what the owner frees afterwards is freed
    // as `FrameAllocatorState.isShort` demands.
    state.load(ordering: .acquiring) != Self.none
  }

  /// Whether another processor waits for the answer.
  var isAwaited: Bool {
    // Ordering: acquiring, pairs with the store in `answer`: the lent frames are seen.
    state.load(ordering: .acquiring) == Self.isAsked
  }

  /// Makes the request. Returns false if it has been made before. Under the lock.
  func make() -> Bool {
    // Ordering: relaxed; only the owner changes it meanwhile, to what is as good.
    guard state.load(ordering: .relaxed) == Self.none else { return false }
    // Ordering: releasing, pairs with the load in `isPending`.
    state.store(Self.isAsked, ordering: .releasing)
    return true
  }

  /// Answers the request, lending `frameCount` frames if they are not 0. By the owner.
  func answer(lending frameCount: Int) {
    // Ordering: releasing, pairs with the load in `lentCount`: the frames are seen.
    if frameCount > 0 { lentFrameCount.store(frameCount, ordering: .releasing) }
    // Ordering: releasing, pairs with the load in `isAwaited`.
    state.store(Self.none, ordering: .releasing)
  }

  /// Notes that no one waits for the answer any more, if there was none.
  func giveUp() {
    // Ordering: relaxed; says nothing of the frames.
    _ = state.compareExchange(
      expected: Self.isAsked, desired: Self.isLate, ordering: .relaxed)
  }

  /// The number of frames that are lent. They change under the lock, except from none.
  var lentCount: Int {
    // Ordering: acquiring, pairs with the store in `answer`.
    lentFrameCount.load(ordering: .acquiring)
  }

  /// Notes that the lent frames have been taken. Under the lock.
  func noteTaken() {
    // Ordering: releasing, pairs with the load in `lentCount` by the owner, before it lends again.
    lentFrameCount.store(0, ordering: .releasing)
  }
}
