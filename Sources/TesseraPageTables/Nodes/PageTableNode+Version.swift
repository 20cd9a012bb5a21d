internal import Synchronization
internal import TesseraHardware

extension PageTableNode {
  /// The version of this root: another one after each change that made translations stale. See
  /// `ProcessContexts`.
  package var version: UInt64 {
    // Ordering: acquiring, pairs with `advanceVersion`: the entries are seen.
    metadata.version.load(ordering: .acquiring)
  }

  /// Gives this root, some of whose entries or those below it were written, another version.
  ///
  /// The caller stays on this processor.
  @inline(never)
  func advanceVersion() -> RootChange {
    let version = TLBShootdown.makeVersion()
    // Ordering: sequentially consistent, pairs with `setActive` and `ActiveRoots.beginSwitch`: a
    // processor that is not found sees the version, and the entries. It is a locked instruction, so
    // that the writes leave the store buffer before it is read who is active.
    let old = metadata.version.exchange(version, ordering: .sequentiallyConsistent)
    return RootChange(on: activeProcessors, oldVersion: old, newVersion: version)
  }
}
