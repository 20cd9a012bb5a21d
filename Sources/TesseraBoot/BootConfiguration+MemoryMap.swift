internal import TesseraFrames
internal import TesseraHardware

extension BootConfiguration {
  /// The regions of the memory map at the start: the loader's and two parts of the kernel image.
  public typealias Map = MemoryMap<
    ExtendedMemoryRegions<ExtendedMemoryRegions<ReachableMemoryRegions<Regions>>>
  >

  /// The memory map that Tessera starts on: the loader's regions, the kernel image, and usable
  /// memory beyond the direct map as unreachable.
  public var memoryMap: Map {
    memoryMap(
      kernelImage, kernelImage.upperBound..<kernelImage.upperBound)
  }

  /// The memory map once the boot code's page tables are unused.
  var memoryMapWithoutUnusedTables: Map {
    guard case .build(let plan) = directMap else { return memoryMap }
    let unused = plan.unusedTables.clamped(to: kernelImage)
    return memoryMap(
      kernelImage.lowerBound..<unused.lowerBound, unused.upperBound..<kernelImage.upperBound)
  }

  private func memoryMap(
    _ first: Range<PhysicalAddress>, _ second: Range<PhysicalAddress>
  ) -> Map {
    MemoryMap(
      reachableRegions
        .adding(MemoryRegion(first, kind: .kernelImage))
        .adding(MemoryRegion(second, kind: .kernelImage)))
  }

  private var reachableRegions: ReachableMemoryRegions<Regions> {
    switch directMap {
    case .loader(let directMap): ReachableMemoryRegions(base: regions, end: directMap.end)
    case .build: ReachableMemoryRegions(base: regions, end: .limit)
    }
  }

  var unreachableFrameCount: UInt64 { reachableRegions.unreachableFrameCount }
}

extension MemoryRegion {
  fileprivate init(_ range: Range<PhysicalAddress>, kind: MemoryKind) {
    self.init(start: range.lowerBound, end: range.upperBound, kind: kind)
  }
}
