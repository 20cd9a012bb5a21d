public import TesseraHardware

/// The physical memory of the machine as one ascending list of regions that do not overlap.
///
/// The list is not stored anywhere: it is swept together from the source each time, which takes no
/// memory and has no limit on the number of entries. The price is time that grows with the square
/// of that number, and the map is swept a few times at start only.
///
/// What a page becomes is decided by the highest kind that touches it, where usable memory counts
/// only if it covers the whole page, all its pieces taken together. So usable memory is rounded
/// inwards and everything else outwards. A page that nothing touches, or that is usable in part, is
/// a hole.
@frozen
public struct MemoryMap<Source: MemoryRegionSource> {
  public let source: Source
  /// Usable memory below this is kept back. A multiple of 4 KiB.
  public let lowMemoryEnd: PhysicalAddress

  /// The map of `source`, in which usable memory below `lowMemoryEnd` is kept back.
  public init(
    _ source: Source, keepingBackBelow lowMemoryEnd: PhysicalAddress = PhysicalAddress(0x10_0000)
  ) {
    self.source = source
    self.lowMemoryEnd = lowMemoryEnd.alignedUp(to: PageSize.fourKiB.byteCount)
  }

  /// The map with one more region, for what has been put into memory since.
  public func adding(_ region: MemoryRegion) -> MemoryMap<ExtendedMemoryRegions<Source>> {
    MemoryMap<ExtendedMemoryRegions<Source>>(
      source.adding(region), keepingBackBelow: lowMemoryEnd)
  }
}

extension MemoryMap: MemoryRegionSource {
  /// Calls `body` for each region in ascending order.
  ///
  /// The regions are multiples of 4 KiB, not empty and disjoint; two that meet differ in kind.
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
  /// The first piece of a region at or after `position`, a multiple of 4 KiB; nil if none is left.
  private func firstPiece(from position: PhysicalAddress) -> MemoryRegion? {
    var page = position
    while page < .limit {
      var surroundings = Surroundings(of: page)
      source.forEachRegion { surroundings.take(in: $0) }
      if let kind = surroundings.keptKind {
        return MemoryRegion(start: page, end: surroundings.keptEnd, kind: kind)
      }
      let end = usableEnd(after: surroundings)
      if end > page { return usablePiece(from: page, to: end) }

      // Each step takes at least one start of a region out of sight, so the loop ends.
      page = min(surroundings.nextKeptStart, surroundings.nextUsableStart)
    }
    return nil
  }

  /// The end of the last whole page that usable memory covers without a gap from the page on.
  private func usableEnd(after surroundings: Surroundings) -> PhysicalAddress {
    let limit = surroundings.nextKeptStart
    var end = surroundings.usableEnd
    var previous = surroundings.page
    // Pieces that continue each other may come in any order, so look until nothing is added.
    // Looking no further than the next region of another kind keeps the number of looks below the
    // number of pieces, over the whole sweep.
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

/// What lies at a page and after it, gathered from all regions in one pass.
private struct Surroundings {
  let page: PhysicalAddress
  /// The highest kind other than usable that touches the page.
  private(set) var keptKind: MemoryKind?
  /// Where regions of `keptKind` that touch the page end.
  private var furthestKeptEnd: PhysicalAddress
  /// Where the first region of a kind higher than `keptKind` starts after the page.
  private var nextHigherStart = PhysicalAddress.limit
  /// Where the next region of another kind than usable starts after the page.
  private(set) var nextKeptStart = PhysicalAddress.limit
  /// The first page after this one at which a usable region starts or has started.
  private(set) var nextUsableStart = PhysicalAddress.limit
  /// How far usable memory is known to reach from the page's first byte on.
  private(set) var usableEnd: PhysicalAddress

  init(of page: PhysicalAddress) {
    self.page = page
    furthestKeptEnd = page
    usableEnd = page
  }

  /// Where the piece of `keptKind` at the page ends.
  var keptEnd: PhysicalAddress { min(furthestKeptEnd, nextHigherStart) }

  mutating func take(in region: MemoryRegion) {
    if region.isEmpty { return }
    if region.kind == .usable {
      takeUsable(region)
    } else {
      takeKept(
        region.kind, from: region.start.alignedDown(to: PageSize.fourKiB.byteCount),
        to: region.end.alignedUp(to: PageSize.fourKiB.byteCount))
    }
  }

  private mutating func takeUsable(_ region: MemoryRegion) {
    if region.start <= usableEnd && usableEnd < region.end { usableEnd = region.end }
    let first = region.start.alignedUp(to: PageSize.fourKiB.byteCount)
    if page < first && first < region.end { nextUsableStart = min(nextUsableStart, first) }
  }

  private mutating func takeKept(
    _ kind: MemoryKind, from start: PhysicalAddress, to end: PhysicalAddress
  ) {
    if end <= page { return }
    let precedence = keptKind.map { Int($0.rawValue) } ?? -1
    if page < start {
      nextKeptStart = min(nextKeptStart, start)
      // If a higher kind turns up at the page later in the pass, this may cut its piece short for
      // nothing; the pieces are joined again.
      if precedence < Int(kind.rawValue) { nextHigherStart = min(nextHigherStart, start) }
      return
    }
    if precedence < Int(kind.rawValue) {
      keptKind = kind
      furthestKeptEnd = end
    } else if precedence == Int(kind.rawValue) {
      furthestKeptEnd = max(furthestKeptEnd, end)
    }
  }
}
