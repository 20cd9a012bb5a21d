public import TesseraHardware

/// The number of bytes of each kind in a memory map, and of holes.
public struct MemoryTotals {
  private var byteCounts = [11 of UInt64](repeating: 0)
  /// The number of bytes up to `end` that belong to no region.
  public private(set) var holeByteCount: UInt64 = 0
  public private(set) var regionCount = 0
  /// The end of the last region, or the limit of the totals.
  public private(set) var end = PhysicalAddress.zero

  /// The number of bytes of `kind`.
  public func byteCount(of kind: MemoryKind) -> UInt64 { byteCounts[Int(kind.rawValue)] }

  /// The number of bytes of working memory of all kinds.
  public var memoryByteCount: UInt64 {
    var sum: UInt64 = 0
    for index in 0..<MemoryKind.count {
      if let kind = MemoryKind(rawValue: UInt8(index)), kind.isMemory { sum += byteCounts[index] }
    }
    return sum
  }

  /// Adds a region that starts at or after `end`.
  fileprivate mutating func add(_ region: MemoryRegion) {
    addHole(upTo: region.start)
    byteCounts[Int(region.kind.rawValue)] += region.byteCount
    regionCount += 1
    end = region.end
  }

  fileprivate mutating func addHole(upTo address: PhysicalAddress) {
    holeByteCount += address.byteCount(from: end)
    end = address
  }
}

extension MemoryMap {
  /// The totals of all regions.
  public func totals() -> MemoryTotals {
    var totals = MemoryTotals()
    forEachRegion { totals.add($0) }
    return totals
  }

  /// The totals below `limit`: all kinds and the holes together have exactly `limit` bytes.
  public func totals(below limit: PhysicalAddress) -> MemoryTotals {
    var totals = MemoryTotals()
    forEachRegion { region in
      let part = region.clamped(from: .zero, to: limit)
      if !part.isEmpty { totals.add(part) }
    }
    totals.addHole(upTo: limit)
    return totals
  }

  /// The end of the highest region of working memory; zero if there is none.
  ///
  /// Reserved ranges and devices, which may lie far above all memory, do not count.
  public var endOfMemory: PhysicalAddress {
    var end = PhysicalAddress.zero
    forEachRegion { if $0.kind.isMemory { end = $0.end } }
    return end
  }

  /// The end of the highest region that can ever be allocated, up to which frames have slots; zero
  /// if there is none.
  ///
  /// Memory of the firmware is never allocated, and may lie far above all other memory.
  public var endOfFrames: PhysicalAddress {
    var end = PhysicalAddress.zero
    forEachRegion { if $0.kind.isAllocatable { end = $0.end } }
    return end
  }
}
