internal import CBoot
public import Tessera
public import TesseraBoot
public import TesseraFrames
public import TesseraHardware

/// A kernel's way from what the loader left to frames that can be allocated.
public enum StartUp {
  /// Where the kernel wants to see physical memory, once its own tables are in use. Another place
  /// than where the boot code shows it, so that nothing comes to rely on either.
  private static var windowBase: UInt64 {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    return 0 &- half &+ half / 8
  }

  /// What the loader says, once it has been found sound. Ends the kernel with a sentence if it is
  /// not.
  public static func readInformation(
    magic: UInt32, address: UInt32
  ) -> MultibootInformation<MappedBootMemory> {
    do throws(MultibootError) {
      // SAFETY: the boot code has mapped everything below 4 GiB, and reading the loader's
      // information does no harm.
      let memory = unsafe MappedBootMemory(below: PhysicalAddress(1 << 32))
      return try MultibootInformation(magic: magic, address: address, memory: memory)
    } catch {
      var console = Console()
      console.write("tessera: refused: ")
      error.write(to: &console)
      console.writeLine()
      ExitStatus.refused.exit()
    }
  }

  /// Takes over all memory that `information` tells of, and says on the console what that is.
  ///
  /// Afterwards the kernel runs on tables of its own. Ends the kernel with a sentence if there is
  /// not enough memory even for the records.
  public static func takeMemory(
    _ information: MultibootInformation<MappedBootMemory>, _ features: ProcessorFeatures
  ) -> FrameTotals {
    let image = KernelImage.physicalRange
    let map = MemoryMap(information.adding(region(image, .kernelImage)))
    var console = Console()
    map.write(to: &console, title: information.version.description)
    refuseMemoryOutOfReach(map)
    do throws(FrameError) {
      var early = EarlyAllocator(map)
      let directMap = try showAllMemory(map, features, from: &early)
      report(directMap, to: &console)
      // From here on nobody uses the tables of the boot code but those of the image itself, so
      // their frames are as good as any.
      let totals = try Boot.start(
        on: mapWithoutBootTables(information), early: early, processorCount: 1)
      report(totals, to: &console)
      try KernelSpace.start()
      reportKernelSpace(&console)
      return totals
    } catch {
      console.write("tessera: refused: this machine's memory is too small for the records of it\n")
      ExitStatus.refused.exit()
    }
  }

  /// What the loader says, with the image but for the tables that it no longer needs.
  private static func mapWithoutBootTables(
    _ information: MultibootInformation<MappedBootMemory>
  ) -> MemoryMap<
    ExtendedMemoryRegions<ExtendedMemoryRegions<MultibootInformation<MappedBootMemory>>>
  > {
    let image = KernelImage.physicalRange
    let tables = KernelImage.bootTables
    return MemoryMap(
      information.adding(region(image.lowerBound..<tables.lowerBound, .kernelImage))
        .adding(region(tables.upperBound..<image.upperBound, .kernelImage)))
  }

  private static func region(_ range: Range<PhysicalAddress>, _ kind: MemoryKind) -> MemoryRegion {
    MemoryRegion(start: range.lowerBound, end: range.upperBound, kind: kind)
  }

  /// Ends the kernel if there is memory that no entry of a page table could name.
  private static func refuseMemoryOutOfReach<Source>(_ map: MemoryMap<Source>) {
    guard map.endOfMemory > PagingMode.current.physicalAddressLimit else { return }
    var console = Console()
    console.write("tessera: refused: there is memory up to ")
    console.write(map.endOfMemory)
    console.write(", but this processor's physical addresses have ")
    console.write(decimal: UInt64(PagingMode.current.physicalAddressWidth))
    console.write(" bits\n")
    ExitStatus.refused.exit()
  }

  /// Builds tables that show all memory, and runs on them from here on.
  private static func showAllMemory<Source>(
    _ map: MemoryMap<Source>, _ features: ProcessorFeatures, from early: inout EarlyAllocator
  ) throws(FrameError) -> DirectMap {
    // SAFETY: the boot code's tables are in use; they show the first 4 GiB at its window.
    let surroundings = unsafe DirectMap.Surroundings(
      window: UInt(boot_window_base()), below: PhysicalAddress(1 << 32),
      root: PhysicalAddress(Processor.rootRegister & ~0xfff))
    let directMap = try DirectMap.build(
      showing: map, at: windowBase,
      largestPage: features.hasOneGiBPages ? .oneGiB : .twoMiB,
      readOnly: KernelImage.readOnlyPhysicalRange, from: &early, in: surroundings)
    // SAFETY: the new tables have the kernel's image where it runs, and all memory at the new
    // window.
    unsafe Processor.loadRootRegister(directMap.root.rawValue)
    unsafe PhysicalMemory.setDirectMap(at: UInt(windowBase))
    return directMap
  }

  private static func report(_ directMap: DirectMap, to console: inout Console) {
    console.write("tessera: all memory visible at ")
    console.write(hexadecimal: directMap.base)
    console.write(", in ")
    console.write(decimal: directMap.oneGiBCount)
    console.write(" pages of 1 GiB, ")
    console.write(decimal: directMap.twoMiBCount)
    console.write(" of 2 MiB, ")
    console.write(decimal: directMap.fourKiBCount)
    console.write(" of 4 KiB; ")
    console.write(decimal: directMap.tableCount)
    console.write(" tables\n")
  }

  private static func reportKernelSpace(_ console: inout Console) {
    console.write("tessera: kernel mappings go to ")
    console.write(hexadecimal: KernelSpace.area.lowerBound.rawValue)
    console.write("; the boot code's tables are left, ")
    let tables = KernelImage.bootTables
    console.write(
      decimal: tables.upperBound.frameNumber - tables.lowerBound.frameNumber)
    console.write(" frames of them given back\n")
  }

  private static func report(_ totals: FrameTotals, to console: inout Console) {
    func write(_ count: UInt64, _ words: StaticString) {
      console.write(decimal: count, grouped: true)
      console.write(words)
    }
    console.write("tessera: ")
    write(totals.usable, " frames usable, ")
    write(totals.metadata, " for metadata (")
    let perMille = totals.metadata * 1000 / max(1, totals.total - totals.holes)
    console.write(decimal: perMille / 10)
    console.write(".")
    console.write(decimal: perMille % 10)
    console.write("%), ")
    write(totals.kernel, " kernel, ")
    write(totals.low, " kept back, ")
    write(totals.reserved, " reserved, ")
    write(totals.holes, " in holes: ")
    write(totals.total, " in all\n")
  }
}
