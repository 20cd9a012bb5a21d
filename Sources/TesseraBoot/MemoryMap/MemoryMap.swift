public import TesseraHardware

/// The physical memory of the machine as an ascending list of disjoint regions.
///
/// The list is not stored: it is recomputed from the source on every iteration, which needs no
/// memory and has no limit on the number of entries. That takes time quadratic in the number of
/// entries, and happens a few times at the start only.
///
/// A page has the highest kind of the regions that it overlaps. Usable memory counts only if it
/// covers the whole page, all its regions together. So usable memory is rounded inwards, and all
/// other kinds outwards. A page without a region, or that is usable in part, is a hole.
@frozen
public struct MemoryMap<Source: MemoryRegionSource> {
  public let source: Source
  /// Usable memory below this is reserved. A multiple of 4 KiB.
  public let lowMemoryEnd: PhysicalAddress

  /// The map of `source`, in which usable memory below `lowMemoryEnd` is reserved.
  public init(
    _ source: Source, reservingBelow lowMemoryEnd: PhysicalAddress = PhysicalAddress(0x10_0000)
  ) {
    self.source = source
    self.lowMemoryEnd = lowMemoryEnd.alignedUp(to: PageSize.fourKiB.byteCount)
  }

  /// The map with one more region.
  public func adding(_ region: MemoryRegion) -> MemoryMap<ExtendedMemoryRegions<Source>> {
    MemoryMap<ExtendedMemoryRegions<Source>>(
      source.adding(region), reservingBelow: lowMemoryEnd)
  }
}

extension MemoryMap: MemoryRegionSource {
  /// Calls `body` for each region in ascending order.
  ///
  /// The regions are 4 KiB aligned, not empty, and disjoint; adjacent ones differ in kind.
  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    var pending: MemoryRegion?
    var position = PhysicalAddress.zero
    while let piece = firstPiece(from: position) {
      position = piece.end
      guard let last = pending else {
        pending = piece
        continue
      }
      if last.end == piece.start && last.kind == piece.kind {
        pending = MemoryRegion(start: last.start, end: piece.end, kind: piece.kind)
      } else {
        body(last)
        pending = piece
      }
    }
    if let last = pending { body(last) }
  }

  public var entryCount: Int { source.entryCount }
}

extension MemoryMap {
  /// The part, from the page of `address` on, of the region that the page lies in; nil if the page
  /// is in a hole.
  func region(at address: PhysicalAddress) -> MemoryRegion? {
    let page = address.alignedDown(to: PageSize.fourKiB.byteCount)
    guard let piece = firstPiece(from: page), piece.start == page else { return nil }
    return piece
  }

  /// The first piece of a region at or after `position`, a multiple of 4 KiB; nil if none is left.
  private func firstPiece(from position: PhysicalAddress) -> MemoryRegion? {
    var page = position
    while page < .limit {
      var nearby = Neighborhood(of: page)
      source.forEachRegion { nearby.add($0) }
      if let kind = nearby.reservedKind {
        return MemoryRegion(start: page, end: nearby.reservedEnd, kind: kind)
      }
      let end = usableEnd(after: nearby)
      if end > page { return usablePiece(from: page, to: end) }

      // Each step passes the start of at least one region, so the loop ends.
      page = min(nearby.nextReservedStart, nearby.nextUsableStart)
    }
    return nil
  }

  /// The end of the last whole page that usable memory covers without a gap.
  private func usableEnd(after nearby: Neighborhood) -> PhysicalAddress {
    let limit = nearby.nextReservedStart
    var end = nearby.usableEnd
    var previous = nearby.page
    // Contiguous regions may come in any order, so repeat until nothing is added. Stopping at the
    // next region of another kind keeps the number of passes below the number of regions, over the
    // whole iteration.
    while previous < end && end < limit {
      previous = end
      source.forEachRegion { region in
        if region.kind == .usable && region.start <= end && end < region.end { end = region.end }
      }
    }
    return min(end, limit).alignedDown(to: PageSize.fourKiB.byteCount)
  }

  private func usablePiece(from start: PhysicalAddress, to end: PhysicalAddress) -> MemoryRegion {
    if start < lowMemoryEnd {
      return MemoryRegion(start: start, end: min(end, lowMemoryEnd), kind: .lowMemory)
    }
    return MemoryRegion(start: start, end: end, kind: .usable)
  }
}

/// The regions at a page and after it, found in one pass over all regions.
private struct Neighborhood {
  let page: PhysicalAddress
  /// The highest kind, other than usable, of a region that overlaps the page.
  private(set) var reservedKind: MemoryKind?
  /// The end of the regions of `reservedKind` that overlap the page.
  private var furthestReservedEnd: PhysicalAddress
  /// The start of the next region of a kind higher than `reservedKind`.
  private var nextHigherStart = PhysicalAddress.limit
  /// The start of the next region of a kind other than usable.
  private(set) var nextReservedStart = PhysicalAddress.limit
  /// The next page at or before which a usable region starts.
  private(set) var nextUsableStart = PhysicalAddress.limit
  /// The end of usable memory that starts at or before the page, as far as it is known.
  private(set) var usableEnd: PhysicalAddress

  init(of page: PhysicalAddress) {
    self.page = page
    furthestReservedEnd = page
    usableEnd = page
  }

  /// The end of the piece of `reservedKind` at the page.
  var reservedEnd: PhysicalAddress { min(furthestReservedEnd, nextHigherStart) }

  mutating func add(_ region: MemoryRegion) {
    if region.isEmpty { return }
    if region.kind == .usable {
      addUsable(region)
    } else {
      addReserved(
        region.kind, from: region.start.alignedDown(to: PageSize.fourKiB.byteCount),
        to: region.end.alignedUp(to: PageSize.fourKiB.byteCount))
    }
  }

  private mutating func addUsable(_ region: MemoryRegion) {
    if region.start <= usableEnd && usableEnd < region.end { usableEnd = region.end }
    let first = region.start.alignedUp(to: PageSize.fourKiB.byteCount)
    if page < first && first < region.end { nextUsableStart = min(nextUsableStart, first) }
  }

  private mutating func addReserved(
    _ kind: MemoryKind, from start: PhysicalAddress, to end: PhysicalAddress
  ) {
    if end <= page { return }
    let precedence = reservedKind.map { Int($0.rawValue) } ?? -1
    if page < start {
      nextReservedStart = min(nextReservedStart, start)
      // If a higher kind is found at the page later in the pass, this may cut its piece short;
      // adjacent pieces of one kind are joined again.
      if precedence < Int(kind.rawValue) { nextHigherStart = min(nextHigherStart, start) }
      return
    }
    if precedence < Int(kind.rawValue) {
      reservedKind = kind
      furthestReservedEnd = end
    } else if precedence == Int(kind.rawValue) {
      furthestReservedEnd = max(furthestReservedEnd, end)
    }
  }
}
