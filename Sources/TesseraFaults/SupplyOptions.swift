internal import TesseraHardware

/// How much a fault may supply besides its own page.
public struct SupplyOptions: Equatable, Sendable {
  /// Whether the first write to pages that appear when they are used brings a page of 2 MiB, where
  /// all of it has the status and such a frame is free.
  public let bringsLargePages: Bool
  /// The number of pages, from 1 to 512 and a power of two, in the aligned block around a page that
  /// is read before it was written, of which all get the frame of zeros.
  public let zeroPageCount: Int

  /// Panics unless `zeroPageCount` is a power of two from 1 to 512.
  public init(bringsLargePages: Bool = false, zeroPageCount: Int = 1) {
    require(
      zeroPageCount.nonzeroBitCount == 1 && zeroPageCount >= 1 && zeroPageCount <= 512,
      "number of pages around a fault is not a power of two up to 512")
    self.bringsLargePages = bringsLargePages
    self.zeroPageCount = zeroPageCount
  }
}
