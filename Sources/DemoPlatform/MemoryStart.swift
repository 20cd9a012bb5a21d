internal import CBoot
public import TesseraBoot
internal import TesseraFrames
public import TesseraHardware
internal import TesseraSpaces

/// A kernel's way from the loader's information to allocated frames, and what it prints on it.
public enum MemoryStart {
  /// The end of the physical memory that the boot code has mapped.
  private static var loaderEnd: PhysicalAddress { PhysicalAddress(1 << 32) }

  /// Returns the loader's information, or ends the kernel with a message if it is damaged.
  public static func readInformation(
    magic: UInt32, address: UInt32
  ) -> MultibootInformation<MappedBootMemory> {
    do throws(TesseraError) {
      // SAFETY: the boot code has mapped everything below `loaderEnd`, and reading the loader's
      // information has no side effects.
      let memory = unsafe MappedBootMemory(below: loaderEnd)
      let information = try MultibootInformation(magic: magic, address: address, memory: memory)
      KernelSymbols.use(information.symbols)
      return information
    } catch {
      fail { error.write(to: &$0) }
    }
  }

  /// Starts Tessera on the memory that `information` describes, for `processorCount` processors,
  /// and prints what it did.
  ///
  /// Ends the kernel with a message if that fails.
  public static func start(
    on information: MultibootInformation<MappedBootMemory>, processorCount: Int = 1
  ) -> BootReport {
    var plan = DirectMapPlan(loaderBase: boot_direct_map_base(), loaderEnd: loaderEnd)
    plan.readOnly = KernelImage.readOnlyPhysicalRange
    plan.unusedTables = KernelImage.bootTables
    // SAFETY: the boot code has mapped everything below `loaderEnd`; the loader's memory map is
    // that of the machine, and only this kernel uses memory.
    var configuration = unsafe BootConfiguration(
      regions: information, kernelImage: KernelImage.physicalRange, directMap: .build(plan))
    configuration.processorCount = processorCount
    var console = Console()
    configuration.memoryMap.write(to: &console, title: information.version.description)
    do throws(TesseraError) {
      let report = try Boot.start(configuration)
      write(report, to: &console)
      return report
    } catch {
      fail { error.write(to: &$0) }
    }
  }

  /// Ends the kernel, which cannot run on this machine for `reason`.
  public static func fail(because reason: StaticString) -> Never { fail { $0.write(reason) } }

  /// Ends the kernel with the message that `body` writes.
  private static func fail(_ body: (inout Console) -> Void) -> Never {
    var console = Console()
    console.write("tessera: cannot start: ")
    body(&console)
    console.writeLine()
    ExitStatus.cannotStart.exit()
  }
}

extension MemoryStart {
  private static func write(_ report: BootReport, to console: inout Console) {
    if let directMap = report.directMap { write(directMap, to: &console) }
    write(report.totals, to: &console)
    console.write("tessera: kernel virtual area at ")
    console.write(hexadecimal: KernelSpace.area.lowerBound.rawValue)
    console.write("; ")
    let tables = KernelImage.bootTables
    console.write(decimal: tables.upperBound.frameNumber - tables.lowerBound.frameNumber)
    console.write(" frames of the boot code's page tables freed\n")
  }

  private static func write(_ directMap: DirectMap, to console: inout Console) {
    console.write("tessera: direct map at ")
    console.write(hexadecimal: directMap.base)
    console.write(": ")
    console.write(decimal: directMap.oneGiBCount)
    console.write(" pages of 1 GiB, ")
    console.write(decimal: directMap.twoMiBCount)
    console.write(" of 2 MiB, ")
    console.write(decimal: directMap.fourKiBCount)
    console.write(" of 4 KiB, in ")
    console.write(decimal: directMap.tableCount)
    console.write(" page tables\n")
  }

  private static func write(_ totals: FrameTotals, to console: inout Console) {
    func write(_ count: UInt64, _ words: StaticString) {
      console.write(decimal: count, grouped: true)
      console.write(words)
    }
    console.write("tessera: ")
    write(totals.total, " frames: ")
    write(totals.usable, " usable, ")
    write(totals.metadata, " metadata (")
    let perMille = totals.metadata * 1000 / max(1, totals.total - totals.holes)
    console.write(decimal: perMille / 10)
    console.write(".")
    console.write(decimal: perMille % 10)
    console.write("%), ")
    write(totals.kernel, " kernel, ")
    write(totals.low, " low, ")
    write(totals.reserved, " reserved, ")
    write(totals.holes, " in holes\n")
  }
}
