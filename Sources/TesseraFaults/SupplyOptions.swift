internal import TesseraHardware

/// How much a fault may supply besides its own page.
public struct SupplyOptions: Equatable, Sendable {
  /// Whether the first write to pages that appear when they are used brings a page of 2 MiB, where
  /// all of it has the status and such a frame is free.
  public let bringsLargePages: Bool
  /// The number of pages, from 1 to 512 and a power of two, in the aligned block around a page that
  /// is read before it was written, of which all get the frame of zeros.
  public let zeroPageCount: Int
  /// The number of pages, from 1 to 512 and a power of two, in the aligned block around a page of
  /// a memory object, of which all that are in memory are mapped, and that have the same rights.
  ///
  /// None of them is read from the store, or waited for. Those of a private mapping are copied
  /// before they are written, as always.
  public let cachedPageCount: Int

  /// Panics unless both counts are powers of two from 1 to 512.
  public init(
    bringsLargePages: Bool = false, zeroPageCount: Int = 1, cachedPageCount: Int = 16
  ) {
    require(
      Self.isBlock(zeroPageCount) && Self.isBlock(cachedPageCount),
      "number of pages around a fault is not a power of two up to 512")
    self.bringsLargePages = bringsLargePages
    self.zeroPageCount = zeroPageCount
    self.cachedPageCount = cachedPageCount
  }

  private static func isBlock(_ count: Int) -> Bool {
    count.nonzeroBitCount == 1 && count >= 1 && count <= 512
  }
}
