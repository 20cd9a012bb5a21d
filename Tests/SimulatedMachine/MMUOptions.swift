/// How the simulated processors behave, within what the architecture allows.
public struct MMUOptions: Sendable {
  /// When two sizes for one address are reported.
  public enum SizeChange: Sendable {
    /// By `checkCoherent`: software may have both for a moment, if it flushes then.
    case byChecks
    /// As soon as a processor may hold both.
    case atOnce
  }

  /// Whether a processor that uses an entry sets its accessed and dirty bits. If not, it is one
  /// that has not done so yet.
  public var setsAccessedAndDirty = true
  /// Whether accessed bits are set as soon as an entry can be reached, which a processor may do at
  /// any time.
  public var setsAccessedAtOnce = false
  /// Whether an access uses the oldest translation that the processor may hold. If not, it uses the
  /// tables as they are.
  public var usesStaleTranslations = true
  /// Whether an access that fails because of an old translation with fewer rights is a fault. If
  /// not, it counts as one that the kernel answered by trying again.
  public var deliversSpuriousFaults = false
  public var sizeChange = SizeChange.byChecks
  /// Virtual addresses that stay mapped although frames are freed, such as the direct map. A
  /// translation there does not keep a frame from being freed.
  public var permanentRanges: [Range<UInt64>] = []
}
