public import TesseraHardware

/// How many bytes of each kind a memory map has, and of none.
public struct MemoryTotals {
  private var byteCounts = [11 of UInt64](repeating: 0)
  /// Bytes up to `end` that belong to no region.
  public private(set) var holeByteCount: UInt64 = 0
  public private(set) var regionCount = 0
  /// Where the last region ends, or the limit up to which the map was added up.
  public private(set) var end = PhysicalAddress.zero

  /// Bytes of `kind`.
  public func byteCount(of kind: MemoryKind) -> UInt64 { byteCounts[Int(kind.rawValue)] }

  /// Bytes of all kinds that are working memory.
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
  /// Adds up all regions.
  public func totals() -> MemoryTotals {
    var totals = MemoryTotals()
    forEachRegion { totals.add($0) }
    return totals
  }

  /// Adds up what lies below `limit`: all kinds and the holes make exactly `limit` bytes.
  public func totals(below limit: PhysicalAddress) -> MemoryTotals {
    var totals = MemoryTotals()
    forEachRegion { region in
      let part = region.clamped(from: .zero, to: limit)
      if !part.isEmpty { totals.add(part) }
    }
    totals.addHole(upTo: limit)
    return totals
  }

  /// The end of the highest region that is working memory; zero if there is none.
  ///
  /// Reserved ranges and devices, which may lie far above all memory, do not move it.
  public var endOfMemory: PhysicalAddress {
    var end = PhysicalAddress.zero
    forEachRegion { if $0.kind.isMemory { end = $0.end } }
    return end
  }
}
