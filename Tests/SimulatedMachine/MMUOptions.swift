/// The behaviour of the simulated processors, where the architecture leaves a choice.
public struct MMUOptions: Sendable {
  /// When cached translations of two page sizes for one address are reported.
  public enum SizeChange: Sendable {
    /// By `checkCoherent`. Software may have both until its next flush.
    case byChecks
    /// As soon as a processor may hold both.
    case atOnce
  }

  /// Whether an access sets the accessed and dirty bits. If not, as on a processor that has not
  /// written them back yet.
  public var setsAccessedAndDirty = true
  /// Whether accessed bits are set as soon as an entry is reachable, as by speculative walks.
  public var setsAccessedAtOnce = false
  /// Whether an access uses the oldest translation that the processor may cache. If not, it uses
  /// the current tables.
  public var usesStaleTranslations = true
  /// Whether spurious faults, from cached translations with fewer rights than the tables grant, are
  /// thrown. If not, they are only counted, as if the kernel had retried the access.
  public var deliversSpuriousFaults = false
  public var sizeChange = SizeChange.byChecks
  /// Virtual addresses that stay mapped when their frames are freed, such as the direct map.
  /// Frames may be freed while translations there refer to them.
  public var permanentRanges: [Range<UInt64>] = []
  /// Processors that execute nothing, and so use no entry that they have cached. It may be stale
  /// until they go on.
  public var haltedProcessors: Set<Int> = []
}
