internal import Synchronization
internal import TesseraHardware

/// Keeps a detached node until no walk without locks can still meet it.
///
/// A processor is inside an epoch from the first entry that it reads without a lock until it holds
/// the lock of the covering node. A detached node may be freed once every other processor has left
/// its epoch. With one processor, which is outside whenever it frees, that holds by itself;
/// interrupt handlers must not open cursors.
enum Epoch {
  /// Called when this processor begins a walk.
  @inline(__always)
  static func enter() {}

  /// Called when this processor has finished the walk.
  @inline(__always)
  static func leave() {}
}
