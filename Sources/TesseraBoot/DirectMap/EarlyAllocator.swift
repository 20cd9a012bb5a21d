internal import TesseraFrames
public import TesseraHardware

/// A bump allocator for the time before there are frames: for the slots and for the page tables of
/// the direct map.
///
/// It allocates from at most two ranges, the largest usable region below 4 GiB and the largest
/// above, each from its start upwards, and frees nothing. What it allocated is metadata once it has
/// retired.
public struct EarlyAllocator: ~Copyable {
  private var low: EarlyRange
  private var high: EarlyRange

  /// Which range is tried first.
  public enum Preference: Sendable {
    /// The one at lower addresses.
    case lowest
    /// The one with more bytes left.
    case mostRoom
  }

  /// An allocator over the usable memory of `map`.
  public init<Source>(_ map: MemoryMap<Source>) {
    let border = PhysicalAddress(1 << 32)
    var low = MemoryRegion(start: .zero, end: .zero, kind: .usable)
    var high = MemoryRegion(start: .limit, end: .limit, kind: .usable)
    map.forEachRegion { region in
      guard region.kind == .usable else { return }
      let below = region.clamped(from: .zero, to: border)
      if below.byteCount > low.byteCount { low = below }
      let above = region.clamped(from: border, to: .limit)
      if above.byteCount > high.byteCount { high = above }
    }
    self.low = EarlyRange(low)
    self.high = EarlyRange(high)
  }

  /// Allocates `byteCount` uninitialized bytes that start at a multiple of `alignment` and end at
  /// or below `limit`.
  ///
  /// Bytes that are skipped for the alignment count as allocated.
  ///
  /// - Returns: The address of the first byte.
  /// - Throws: `empty` for no bytes, `outOfFrames` if neither range has room; nothing has changed
  ///   then.
  /// - Precondition: `alignment` is a power of two up to 2^52.
  public mutating func allocate(
    byteCount: UInt64, alignment: UInt64 = PageSize.fourKiB.byteCount,
    below limit: PhysicalAddress = .limit, preferring preference: Preference = .lowest
  ) throws(TesseraError) -> PhysicalAddress {
    require(
      alignment.nonzeroBitCount == 1 && alignment <= PhysicalAddress.limit.rawValue,
      "alignment is not a power of two up to 2^52")
    if byteCount == 0 { throw .empty }
    let highFirst = preference == .mostRoom && high.byteCountLeft > low.byteCountLeft
    if highFirst, let start = high.allocate(byteCount, alignment, limit) { return start }
    if let start = low.allocate(byteCount, alignment, limit) { return start }
    if let start = high.allocate(byteCount, alignment, limit) { return start }
    throw .outOfFrames
  }

  /// The number of free bytes, in both ranges together.
  public var byteCountLeft: UInt64 { low.byteCountLeft + high.byteCountLeft }

  /// The memory allocated so far.
  public var allocations: EarlyAllocations {
    EarlyAllocations(low: low.used, high: high.used)
  }

  /// Ends the allocator, and returns the memory that it allocated.
  public consuming func retire() -> EarlyAllocations { allocations }
}

/// The memory that an `EarlyAllocator` allocated: whole pages, of kind `metadata`.
@frozen
public struct EarlyAllocations: MemoryRegionSource, Sendable {
  /// Below 4 GiB; may be empty.
  public let low: MemoryRegion
  /// At or above 4 GiB; may be empty.
  public let high: MemoryRegion

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    if !low.isEmpty { body(low) }
    if !high.isEmpty { body(high) }
  }
}

extension MemoryMap {
  /// The map in which early allocations are metadata.
  public func adding(
    _ allocations: EarlyAllocations
  ) -> MemoryMap<ExtendedMemoryRegions<ExtendedMemoryRegions<Source>>> {
    adding(allocations.low).adding(allocations.high)
  }
}

/// A range that is allocated from its start upwards.
private struct EarlyRange {
  let start: PhysicalAddress
  /// The first free byte.
  private var next: PhysicalAddress
  let end: PhysicalAddress

  init(_ region: MemoryRegion) {
    start = region.start
    next = region.start
    end = region.end
  }

  var byteCountLeft: UInt64 { end.byteCount(from: next) }

  /// Whole pages, because a page that is used in part cannot become a frame.
  var used: MemoryRegion {
    MemoryRegion(
      start: start, end: next.alignedUp(to: PageSize.fourKiB.byteCount), kind: .metadata)
  }

  mutating func allocate(
    _ byteCount: UInt64, _ alignment: UInt64, _ limit: PhysicalAddress
  ) -> PhysicalAddress? {
    let first = next.alignedUp(to: alignment)
    guard let last = first.advanced(byChecked: byteCount), last <= end, last <= limit else {
      return nil
    }
    next = last
    return first
  }
}
