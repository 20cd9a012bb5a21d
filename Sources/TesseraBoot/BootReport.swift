/// What a start has done.
public struct BootReport: Sendable {
  /// The number of frames of each use.
  public let totals: FrameTotals
  /// The number of usable frames beyond the end of the direct map.
  public let unreachableFrameCount: UInt64
  /// The number of entries of the kernel half that left access to user programs, which they no
  /// longer do.
  public let userEntryCount: UInt64
  /// The direct map, if Tessera has built it.
  public let directMap: DirectMap?
}
