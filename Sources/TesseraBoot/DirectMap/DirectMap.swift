internal import TesseraFrames
public import TesseraHardware

/// The direct map: a linear mapping of all memory for the kernel, in page tables of its own.
///
/// All working memory of the memory map, and the whole first mebibyte, is mapped at its physical
/// address plus `base`: readable, writable unless it holds the kernel's code and constants, which
/// must not be writable through a second mapping, and not executable. Holes and reserved memory are
/// not mapped, nor is the lower half, so that a null pointer faults.
public struct DirectMap: Sendable {
  /// The physical address of the root table.
  public internal(set) var root = PhysicalAddress.zero
  /// The virtual address of physical byte zero.
  public let base: UInt64
  /// The end of the physical memory that is mapped.
  public let end: PhysicalAddress
  /// The number of tables, including the root.
  public internal(set) var tableCount: UInt64 = 0
  /// The number of leaves of each size.
  public internal(set) var fourKiBCount: UInt64 = 0
  public internal(set) var twoMiBCount: UInt64 = 0
  public internal(set) var oneGiBCount: UInt64 = 0

  init(base: UInt64, end: PhysicalAddress) {
    self.base = base
    self.end = end
  }

  /// The number of bytes that are mapped.
  public var byteCount: UInt64 {
    fourKiBCount << PageSize.fourKiB.shift + twoMiBCount << PageSize.twoMiB.shift
      + oneGiBCount << PageSize.oneGiB.shift
  }
}

extension DirectMap {
  /// The page tables that the processor runs on while a direct map is built.
  package struct RunningMapping {
    let tables: RawPageTables
    let root: PhysicalAddress
    let limit: PhysicalAddress
    /// The entries of the root that stay as they are.
    let keptEntries: (low: Range<Int>, high: Range<Int>)

    /// The caller promises that physical memory below `limit` is mapped at its address plus `base`,
    /// and that the table at `root`, of the root level of the current `PagingMode`, lies there and
    /// has the kernel image below its entries `low` or `high`.
    @unsafe package init(
      base: UInt, below limit: PhysicalAddress, root: PhysicalAddress,
      keeping low: Range<Int> = 0..<0, _ high: Range<Int> = 511..<512
    ) {
      keptEntries = (low, high)
      // SAFETY: the caller's promise; only tables below the limit are accessed.
      tables = unsafe RawPageTables(base: base)
      self.limit = limit
      self.root = root
    }
  }

  /// The first virtual address that the last entry of a root covers, where the kernel image is.
  /// A direct map ends at or below it.
  package static var highestEnd: UInt64 { 0 &- PagingMode.current.rootLevel.span }

  /// Builds page tables that map the memory of `map` at `base`, with pages up to `largestPage`.
  ///
  /// The entries of the running root that are kept are also those of the new one: they share the
  /// tables below them, and map nothing where the direct map will be. The caller loads CR3.
  ///
  /// - Parameter readOnly: Memory that is mapped read-only; its ends are 4 KiB aligned.
  /// - Throws: `outOfFrames` if `allocator` has no room below the limit of `running` for a table;
  ///   `outOfBounds` if the memory does not fit between `base` and `highestEnd`. Memory that was
  ///   allocated before the error stays allocated.
  /// - Precondition: `base` is a multiple of 1 GiB in the upper half.
  package static func build<Source>(
    mapping map: MemoryMap<Source>, at base: UInt64, largestPage: PageSize,
    readOnly: Range<PhysicalAddress> = .zero..<(.zero),
    from allocator: inout EarlyAllocator, running: RunningMapping
  ) throws(TesseraError) -> DirectMap {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    require(base >= 0 &- half, "direct map is not in the upper half")
    require(base % PageSize.oneGiB.byteCount == 0, "direct map is not 1 GiB aligned")
    require(
      readOnly.lowerBound.isAligned(to: .fourKiB) && readOnly.upperBound.isAligned(to: .fourKiB),
      "read-only memory of a direct map is not 4 KiB aligned", readOnly.lowerBound)
    let end = max(map.endOfMemory, DirectMapBuilder.lowEnd)
    if base >= highestEnd || end.rawValue > highestEnd - base { throw .outOfBounds }

    var builder = try DirectMapBuilder(
      at: base, end: end, readOnly: readOnly, from: &allocator, running: running)
    try builder.map(.zero, upTo: DirectMapBuilder.lowEnd, upToSize: .fourKiB, from: &allocator)
    var failure: TesseraError?
    map.forEachExtent(from: DirectMapBuilder.lowEnd) { start, end in
      if failure != nil { return }
      do throws(TesseraError) {
        try builder.map(start, upTo: end, upToSize: largestPage, from: &allocator)
      } catch { failure = error }
    }
    if let failure { throw failure }
    return builder.result
  }
}
