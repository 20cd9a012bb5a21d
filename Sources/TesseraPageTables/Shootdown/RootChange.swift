/// A change of the tables under a root that made translations stale: the version of the root before
/// it, and after it. See `ProcessContexts`.
struct RootChange {
  let oldVersion: UInt64
  let newVersion: UInt64

  /// A change of the kernel's tables, which are in every root.
  static var ofKernel: RootChange { RootChange(oldVersion: 0, newVersion: 0) }
}
