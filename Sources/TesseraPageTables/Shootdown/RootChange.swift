internal import TesseraHardware

/// A change of the tables under a root that made translations stale: the version of the root before
/// it, and after it, see `ProcessContexts`; and the processors of the first group on which the root
/// was active after it.
struct RootChange {
  let oldVersion: UInt64
  let newVersion: UInt64
  let processors: ProcessorSet

  /// A change that gave no root another version: where no versions are used, or of the kernel's
  /// tables, which are in every root.
  init(on processors: ProcessorSet = ProcessorSet(), oldVersion: UInt64 = 0, newVersion: UInt64 = 0)
  {
    self.oldVersion = oldVersion
    self.newVersion = newVersion
    self.processors = processors
  }
}
