internal import TesseraHardware

/// Which frames are pages of memory objects. An entry that maps one privately does not tell.
package enum ObjectPages {
  /// Tells whether a frame with a number, which has an owner, is one.
  ///
  /// Access: written by `set` while no space is paged; constant otherwise.
  nonisolated(unsafe) private static var predicate: (@convention(c) (UInt64) -> Bool)?

  /// Has `predicate` tell; if it is nil, there are no memory objects.
  package static func set(_ predicate: (@convention(c) (_ frameNumber: UInt64) -> Bool)?) {
    // SAFETY: no space is paged.
    unsafe self.predicate = predicate
  }

  /// Whether the frame at `address`, which a page maps whose tables are locked, is one.
  static func contain(_ address: PhysicalAddress) -> Bool {
    // SAFETY: constant once spaces are paged.
    guard let predicate = unsafe predicate else { return false }
    return predicate(address.frameNumber)
  }
}
