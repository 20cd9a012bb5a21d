import TesseraBoot
import TesseraFrames
import TesseraHardware

/// Invariants of the multiboot reader that hold for any input.
public enum MultibootCheck {
  public enum Outcome: Equatable {
    case rejected(TesseraError)
    case accepted
    /// An invariant is violated.
    case broken(String)
  }

  /// Reads `bytes` at address `base` as information of the version given by `magic`.
  ///
  /// `sweepingDirectly` also sweeps the map from the bytes, not only from a copy of the regions.
  public static func outcome(
    of bytes: [UInt8], at base: UInt32, magic: UInt32, sweepingDirectly: Bool
  ) -> Outcome {
    let memory = ByteMemory(bytes, at: UInt64(base))
    let information: MultibootInformation<ByteMemory>
    do throws(TesseraError) {
      information = try MultibootInformation(magic: magic, address: base, memory: memory)
    } catch {
      let isFrugal = memory.readCount <= readLimit(bytes.count)
      return isFrugal ? .rejected(error) : .broken("\(memory.readCount) reads for an error")
    }
    if memory.readCount > readLimit(bytes.count) { return .broken("\(memory.readCount) reads") }

    let source = RegionCopy(information)
    var regions: [MemoryRegion] = []
    MemoryMap(source).forEachRegion { regions.append($0) }
    if let rule = brokenRule(of: regions, from: source.regions) { return .broken(rule) }
    if source.regions.filter({ $0.kind == .module }).count != readTexts(of: information) {
      return .broken("modules and their regions differ in number")
    }
    if sweepingDirectly {
      var direct: [MemoryRegion] = []
      MemoryMap(information).forEachRegion { direct.append($0) }
      if direct != regions { return .broken("the map differs from that of a copy") }
    }
    return .accepted
  }

  /// Each module of 16 bytes may have a string that spans all bytes.
  private static func readLimit(_ byteCount: Int) -> Int {
    byteCount * byteCount + 64 * byteCount + 64
  }

  /// Reads all strings and options. Returns the number of modules.
  private static func readTexts(of information: MultibootInformation<ByteMemory>) -> Int {
    var sink = NoText()
    information.loaderName.write(to: &sink)
    information.commandLine.write(to: &sink)
    _ = information.commandLine.contains(option: "quiet")
    _ = information.commandLine.value(of: "seed")?.decimal
    var count = 0
    information.forEachModule { module in
      module.commandLine.write(to: &sink)
      count += 1
    }
    return count
  }

  private static func brokenRule(
    of regions: [MemoryRegion], from source: [MemoryRegion]
  ) -> String? {
    for region in regions {
      if region.isEmpty { return "an empty region" }
      if !region.start.isAligned(to: .fourKiB) || !region.end.isAligned(to: .fourKiB) {
        return "a region is not page-aligned"
      }
    }
    for (region, next) in zip(regions, regions.dropFirst()) {
      if region.end > next.start { return "regions overlap or are not sorted" }
      if region.end == next.start && region.kind == next.kind
        && region.end != PhysicalAddress(0x10_0000)
      {
        return "adjacent regions of one kind were not merged"
      }
    }
    for region in regions {
      let isUsable = region.kind == .usable || region.kind == .lowMemory
      for part in source where part.kind != .usable && !part.isEmpty {
        let overlaps = part.start < region.end && region.start < part.end
        if overlaps && isUsable { return "a reserved region is usable" }
        if overlaps && part.kind.rawValue > region.kind.rawValue { return "a lower kind won" }
      }
      if isUsable && !isCovered(region, by: source) { return "usable memory in no source region" }
    }
    return nil
  }

  /// Returns whether the usable regions of `source` cover `region`.
  private static func isCovered(_ region: MemoryRegion, by source: [MemoryRegion]) -> Bool {
    var end = region.start
    for part in source.filter({ $0.kind == .usable }).sorted(by: { $0.start < $1.start })
    where part.start <= end { end = max(end, part.end) }
    return end >= region.end
  }
}

/// A copy of the regions of another source.
private struct RegionCopy: MemoryRegionSource {
  var regions: [MemoryRegion] = []

  init(_ source: some MemoryRegionSource) {
    var copy: [MemoryRegion] = []
    source.forEachRegion { copy.append($0) }
    regions = copy
  }

  func forEachRegion(_ body: (MemoryRegion) -> Void) { regions.forEach(body) }
}

/// A sink that discards text.
private struct NoText: TextSink {
  mutating func write(byte: UInt8) {}
}
