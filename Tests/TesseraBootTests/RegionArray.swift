import TesseraBoot
import TesseraFrames
import TesseraHardware

/// Regions in an array, as the tests define them.
struct RegionArray: MemoryRegionSource {
  var regions: [MemoryRegion]

  init(_ regions: [MemoryRegion]) { self.regions = regions }

  func forEachRegion(_ body: (MemoryRegion) -> Void) { regions.forEach(body) }
}

extension MemoryRegionSource {
  /// The regions as an array.
  var all: [MemoryRegion] {
    var result: [MemoryRegion] = []
    forEachRegion { result.append($0) }
    return result
  }
}

func region(_ start: UInt64, _ end: UInt64, _ kind: MemoryKind) -> MemoryRegion {
  MemoryRegion(start: PhysicalAddress(start), end: PhysicalAddress(end), kind: kind)
}

func memoryMap(_ regions: [MemoryRegion], lowMemoryEnd: UInt64 = 0) -> MemoryMap<RegionArray> {
  MemoryMap(RegionArray(regions), reservingBelow: PhysicalAddress(lowMemoryEnd))
}
