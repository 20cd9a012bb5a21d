public import TesseraHardware

/// A range of physical memory and what it is good for: from `start` up to, not including, `end`.
@frozen
public struct MemoryRegion: Equatable, Sendable {
  public let start: PhysicalAddress
  public let end: PhysicalAddress
  public let kind: MemoryKind

  /// Traps if `end` lies before `start`. An empty region is allowed, and counts for nothing.
  @inline(__always)
  public init(start: PhysicalAddress, end: PhysicalAddress, kind: MemoryKind) {
    require(start <= end, "a memory region ends before it starts", start)
    self.start = start
    self.end = end
    self.kind = kind
  }

  /// The region of `byteCount` bytes from `start` on, or nil if it reaches beyond 2^52.
  ///
  /// For numbers that somebody else wrote: the sum cannot wrap.
  public init?(start: UInt64, byteCount: UInt64, kind: MemoryKind) {
    guard let first = PhysicalAddress(exactly: start),
      let end = first.advanced(byChecked: byteCount)
    else { return nil }
    self.init(start: first, end: end, kind: kind)
  }

  @inline(__always)
  public var byteCount: UInt64 { end.byteCount(from: start) }

  @inline(__always)
  public var isEmpty: Bool { start == end }

  /// The part of the region that lies from `lower` up to `upper`; empty if there is none.
  ///
  /// `lower` is at most `upper`.
  public func clamped(from lower: PhysicalAddress, to upper: PhysicalAddress) -> MemoryRegion {
    let start = min(max(start, lower), upper)
    return MemoryRegion(start: start, end: max(start, min(end, upper)), kind: kind)
  }
}

/// Something that knows regions of physical memory: a loader's information, an array.
///
/// The regions come in any order and any number, may overlap, may be empty and need not be aligned.
/// They are asked for many times and are the same each time.
public protocol MemoryRegionSource {
  /// Calls `body` once for each region.
  func forEachRegion(_ body: (MemoryRegion) -> Void)

  /// How many entries the memory map had that this comes from.
  var entryCount: Int { get }
}

extension MemoryRegionSource {
  public var entryCount: Int {
    var count = 0
    forEachRegion { _ in count += 1 }
    return count
  }

  /// These regions and one more.
  public func adding(_ region: MemoryRegion) -> ExtendedMemoryRegions<Self> {
    ExtendedMemoryRegions(base: self, addition: region)
  }
}

/// The regions of another source and one more: the kernel's image, what was allocated early.
@frozen
public struct ExtendedMemoryRegions<Base: MemoryRegionSource>: MemoryRegionSource {
  let base: Base
  let addition: MemoryRegion

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    base.forEachRegion(body)
    body(addition)
  }

  /// Entries of the base alone: an addition was no entry of anybody's map.
  public var entryCount: Int { base.entryCount }
}

/// Regions that lie in an array, for kernels whose loader is not one that Tessera reads.
@safe
@frozen
public struct MemoryRegionList: MemoryRegionSource {
  /// Access: read only. Lives as long as the promise of `init` says.
  private let regions: UnsafeBufferPointer<MemoryRegion>

  /// The caller promises that `regions` stays where it is, unchanged, for as long as this is used.
  @unsafe public init(_ regions: UnsafeBufferPointer<MemoryRegion>) {
    unsafe self.regions = regions
  }

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    // SAFETY: the maker of the list promised that the regions are there and do not change.
    for index in unsafe 0..<regions.count {
      // SAFETY: as above, and the index is in bounds.
      body(unsafe regions[index])
    }
  }
}
