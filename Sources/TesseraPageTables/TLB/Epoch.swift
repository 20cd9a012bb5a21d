internal import Synchronization
internal import TesseraHardware

/// What keeps a node that was taken out of its tree until nobody can be on the way to it any more.
///
/// A processor is inside while it descends without a lock: from the first entry it reads until it
/// holds the lock of the covering node. Who frees a node first makes sure that every other
/// processor has been outside since the node was taken out. With one processor, which is always
/// outside when it frees, that holds by itself; interrupt handlers must not open cursors.
enum Epoch {
  /// Says that this processor begins to descend.
  @inline(__always)
  static func enter() {}

  /// Says that this processor has what it wanted.
  @inline(__always)
  static func leave() {}
}
