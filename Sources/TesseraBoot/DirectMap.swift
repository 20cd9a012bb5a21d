public import TesseraFrames
public import TesseraHardware

/// Page tables that show all memory at one place, for the kernel's use.
///
/// Every byte of working memory of the map, and the whole first mebibyte, is readable and writable
/// at its physical address plus `base`, but for what was to be readable alone: the kernel's code
/// must not be writable at a second address. Nothing else is there: not the holes, not what is
/// reserved. Below the half of the kernel there is nothing either, so a stray pointer close to zero
/// faults.
public struct DirectMap: Sendable {
  /// The table for CR3.
  public internal(set) var root = PhysicalAddress.zero
  /// The virtual address of physical byte zero.
  public let base: UInt64
  /// How many tables there are, the root among them.
  public internal(set) var tableCount: UInt64 = 0
  /// How many leaves there are of each size.
  public internal(set) var fourKiBCount: UInt64 = 0
  public internal(set) var twoMiBCount: UInt64 = 0
  public internal(set) var oneGiBCount: UInt64 = 0

  init(base: UInt64) { self.base = base }

  /// How many bytes are shown.
  public var byteCount: UInt64 {
    fourKiBCount << PageSize.fourKiB.shift + twoMiBCount << PageSize.twoMiB.shift
      + oneGiBCount << PageSize.oneGiB.shift
  }
}

extension DirectMap {
  /// The tables that the processor runs on, through which those of the direct map are made.
  public struct Surroundings {
    let window: RawPageTables
    let root: PhysicalAddress
    let limit: PhysicalAddress

    /// The caller promises that physical memory below `limit` is visible at its address plus
    /// `window`, and that the table at `root` is there, of the level that roots have in the
    /// current `PagingMode`, with the kernel's image under its last entry.
    @unsafe public init(window: UInt, below limit: PhysicalAddress, root: PhysicalAddress) {
      // SAFETY: the caller's promise; only tables below the limit are named, see `Builder`.
      self.window = unsafe RawPageTables(base: window)
      self.limit = limit
      self.root = root
    }
  }

  /// The virtual addresses that the last entry of a root covers, where the kernel's image is, start
  /// here.
  public static var highestEnd: UInt64 { 0 &- PagingMode.current.rootLevel.span }

  /// Builds the tables for the memory of `map`, with pages up to `largestPage`, at `base`.
  ///
  /// Memory in `readOnly`, whose ends are multiples of 4 KiB, cannot be written there.
  /// The last entry of the root, with the kernel's image, is that of the surroundings' root; the
  /// two share what lies below it. Loading CR3 is the caller's, who must be running there.
  ///
  /// Throws `outOfFrames` if `allocator` has no room for a table that the surroundings show, and
  /// `outOfBounds` if the memory does not fit between `base` and `highestEnd`; what has been
  /// allocated until then stays so. Traps unless `base` is a multiple of 1 GiB in the upper half.
  public static func build<Source>(
    showing map: MemoryMap<Source>, at base: UInt64, largestPage: PageSize,
    readOnly: Range<PhysicalAddress> = .zero..<(.zero),
    from allocator: inout EarlyAllocator, in surroundings: Surroundings
  ) throws(FrameError) -> DirectMap {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    require(base >= 0 &- half, "the direct map lies in the upper half")
    require(base % PageSize.oneGiB.byteCount == 0, "the direct map starts at a multiple of 1 GiB")
    require(
      readOnly.lowerBound.isAligned(to: .fourKiB) && readOnly.upperBound.isAligned(to: .fourKiB),
      "what a direct map does not let anyone write is whole pages", readOnly.lowerBound)
    let end = max(map.endOfMemory, DirectMapBuilder.lowEnd)
    if base >= highestEnd || end.rawValue > highestEnd - base { throw .outOfBounds }

    var builder = try DirectMapBuilder(
      at: base, readOnly: readOnly, from: &allocator, in: surroundings)
    try builder.show(.zero, upTo: DirectMapBuilder.lowEnd, upToSize: .fourKiB, from: &allocator)
    var failure: FrameError?
    map.forEachExtent(from: DirectMapBuilder.lowEnd) { start, end in
      if failure != nil { return }
      do throws(FrameError) {
        try builder.show(start, upTo: end, upToSize: largestPage, from: &allocator)
      } catch { failure = error }
    }
    if let failure { throw failure }
    return builder.result
  }
}
