public import TesseraHardware

/// The regions of another source, of which usable memory beyond the end of the direct map is
/// unreachable.
@frozen
public struct ReachableMemoryRegions<Base: MemoryRegionSource>: MemoryRegionSource {
  let base: Base
  let end: PhysicalAddress

  public func forEachRegion(_ body: (MemoryRegion) -> Void) {
    base.forEachRegion { region in
      guard region.kind == .usable && region.end > end else { return body(region) }
      body(region.clamped(from: .zero, to: end))
      let rest = region.clamped(from: end, to: .limit)
      body(MemoryRegion(start: rest.start, end: rest.end, kind: .unreachable))
    }
  }

  public var entryCount: Int { base.entryCount }

  /// The number of whole frames of usable memory beyond the end of the direct map.
  var unreachableFrameCount: UInt64 {
    var count: UInt64 = 0
    base.forEachRegion { region in
      guard region.kind == .usable else { return }
      count += region.clamped(from: end, to: .limit).byteCount / PageSize.fourKiB.byteCount
    }
    return count
  }
}
