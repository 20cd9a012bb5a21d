internal import Synchronization
internal import TesseraHardware

extension PageTableNode {
  /// The version of this root: another one after each change that made translations stale.
  package var version: UInt64 {
    // Ordering: acquiring, pairs with `noteChange`: the entries are seen.
    metadata.version.load(ordering: .acquiring)
  }

  /// Gives this root, some of whose entries or those below it were written, another version. What
  /// the words of `ActiveRoots` say is read after that.
  ///
  /// The caller stays on this processor.
  @inline(__always)
  func noteChange() -> RootChange {
    let version = TLBShootdown.makeVersion()
    // Ordering: sequentially consistent, pairs with `ActiveRoots.beginSwitch`: a processor that is
    // not found in its word sees the version, and the entries. It is a locked instruction, so that
    // the writes leave the store buffer before the words are read.
    let old = metadata.version.exchange(version, ordering: .sequentiallyConsistent)
    return RootChange(oldVersion: old, newVersion: version)
  }
}
