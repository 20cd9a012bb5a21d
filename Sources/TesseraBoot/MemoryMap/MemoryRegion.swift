public import TesseraHardware

/// A range of physical memory, from `start` up to but not including `end`, and its kind.
@frozen
public struct MemoryRegion: Equatable, Sendable {
  public let start: PhysicalAddress
  public let end: PhysicalAddress
  public let kind: MemoryKind

  /// Traps if `end` is below `start`. An empty region is allowed, and has no effect.
  @inline(__always)
  public init(start: PhysicalAddress, end: PhysicalAddress, kind: MemoryKind) {
    require(start <= end, "a memory region ends before it starts", start)
    self.start = start
    self.end = end
    self.kind = kind
  }

  /// The region of `byteCount` bytes at `start`, or nil if it extends beyond 2^52. The sum cannot
  /// wrap around.
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

  /// The part of the region in `lower..<upper`, which may be empty. `lower` is at most `upper`.
  public func clamped(from lower: PhysicalAddress, to upper: PhysicalAddress) -> MemoryRegion {
    let start = min(max(start, lower), upper)
    return MemoryRegion(start: start, end: max(start, min(end, upper)), kind: kind)
  }
}

/// A source of regions of physical memory, such as a loader's information or an array.
///
/// The regions are in any order, may overlap, may be empty, and need not be aligned. They are
/// iterated many times and are the same each time.
public protocol MemoryRegionSource {
  /// Calls `body` once for each region.
  func forEachRegion(_ body: (MemoryRegion) -> Void)

  /// The number of entries of the original memory map.
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

/// The regions of another source and one more, such as the kernel image or early allocations.
@frozen
public struct ExtendedMemoryRegions<Base: MemoryRegionSource>: MemoryRegionSource {
  let base: Base
  let addition: MemoryRegion

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    base.forEachRegion(body)
    body(addition)
  }

  /// Only the base has entries of a memory map.
  public var entryCount: Int { base.entryCount }
}

/// Regions in an array, for kernels whose loader's information Tessera cannot read.
@safe
@frozen
public struct MemoryRegionList: MemoryRegionSource {
  /// Access: read only. Stays in place by the promise of `init`.
  private let regions: UnsafeBufferPointer<MemoryRegion>

  /// The caller promises that `regions` stays where it is, unchanged, for as long as this is used.
  @unsafe public init(_ regions: UnsafeBufferPointer<MemoryRegion>) {
    unsafe self.regions = regions
  }

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    // SAFETY: the promise of `init`.
    for index in unsafe 0..<regions.count {
      // SAFETY: the promise of `init`; the index is in bounds.
      body(unsafe regions[index])
    }
  }
}
