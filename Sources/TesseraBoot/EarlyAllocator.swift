public import TesseraFrames
public import TesseraHardware

/// Gives out memory before there are frames: for the slots, for the tables of the direct map.
///
/// It takes from at most two ranges, the largest usable region below 4 GiB and the largest above,
/// each from its start upwards, and takes nothing back. What it gave is marked as metadata once it
/// retires.
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

  /// An allocator over what `map` calls usable, and nothing else.
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

  /// Takes `byteCount` bytes that start at a multiple of `alignment` and end at or below `limit`.
  ///
  /// Answers the address of the first. The contents are whatever was there. Bytes skipped for the
  /// alignment are lost until the allocator retires, and then count as given out.
  ///
  /// Throws `empty` for no bytes and `outOfFrames` if no range has room; nothing has changed then.
  /// Traps unless `alignment` is a power of two up to 2^52.
  public mutating func allocate(
    byteCount: UInt64, alignment: UInt64 = PageSize.fourKiB.byteCount,
    below limit: PhysicalAddress = .limit, preferring preference: Preference = .lowest
  ) throws(FrameError) -> PhysicalAddress {
    require(
      alignment.nonzeroBitCount == 1 && alignment <= PhysicalAddress.limit.rawValue,
      "an alignment is a power of two up to 2^52")
    if byteCount == 0 { throw .empty }
    let highFirst = preference == .mostRoom && high.byteCountLeft > low.byteCountLeft
    if highFirst, let start = high.take(byteCount, alignment, limit) { return start }
    if let start = low.take(byteCount, alignment, limit) { return start }
    if let start = high.take(byteCount, alignment, limit) { return start }
    throw .outOfFrames
  }

  /// How many bytes are left, in both ranges together.
  public var byteCountLeft: UInt64 { low.byteCountLeft + high.byteCountLeft }

  /// What has been given out so far.
  public var allocations: EarlyAllocations {
    EarlyAllocations(low: low.used, high: high.used)
  }

  /// Ends the early time: nothing more is given out, and the answer says what was.
  public consuming func retire() -> EarlyAllocations { allocations }
}

/// The memory that was given out before there were frames: whole pages, of kind `metadata`.
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
  /// The map in which what was allocated early is metadata.
  public func adding(
    _ allocations: EarlyAllocations
  ) -> MemoryMap<ExtendedMemoryRegions<ExtendedMemoryRegions<Source>>> {
    adding(allocations.low).adding(allocations.high)
  }
}

/// A range that is given out from its start upwards.
private struct EarlyRange {
  let start: PhysicalAddress
  /// The first byte that has not been given out.
  private var next: PhysicalAddress
  let end: PhysicalAddress

  init(_ region: MemoryRegion) {
    start = region.start
    next = region.start
    end = region.end
  }

  var byteCountLeft: UInt64 { end.byteCount(from: next) }

  /// Whole pages, because a page of which a part is in use cannot become a frame.
  var used: MemoryRegion {
    MemoryRegion(
      start: start, end: next.alignedUp(to: PageSize.fourKiB.byteCount), kind: .metadata)
  }

  mutating func take(
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
