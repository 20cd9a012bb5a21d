internal import DemoPlatform
internal import Tessera
internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware

/// The entry from the boot code: `magic` identifies the loader, and `information` is the physical
/// address of its information.
@c(kernel_main) @used
public func kernelMain(_ magic: UInt32, _ information: UInt32) -> Never {
  let features = Platform.start(imagePath: "build/tessera.elf")
  var console = Console()
  greet(features, &console)

  let information = MemoryStart.readInformation(magic: magic, address: information)
  let processors = Processors(of: information)
  let totals = MemoryStart.start(
    on: information, processorCount: processors.foundCount
  ).totals
  processors.start(by: information)
  DiskDemonstration.start()
  DeliberateCrash.perform(information.commandLine)
  let dumpsJSON = information.commandLine.contains(option: "dump=json")
  if !hasEnoughMemory(totals) {
    MemoryStart.fail(
      because: "the demonstration requires 5 MiB of free memory, with two frames of 2 MiB")
  }
  if var soak = Soak(information.commandLine) { soak.run() }

  var checks = Checks()
  checks.check(totals.total == FrameTable.frameCount, "the totals add up to all frames")
  var tasks = ProcessorDemonstration(checks)
  tasks.run()
  var frames = FrameDemonstration(tasks.checks)
  frames.run()
  var heap = HeapDemonstration(frames.checks)
  heap.run()
  var disk = DiskDemonstration(heap.checks)
  disk.run()
  var paging = PagingDemonstration(disk.checks)
  paging.run()
  var spaces = SpaceDemonstration(paging.checks, dumpsJSON: dumpsJSON)
  spaces.run()
  var stale = StaleReport(.here, spaces.checks, features)
  stale.run()
  var costs = CostDemonstration(stale.checks)
  costs.run()
  var programs = UserModeDemonstration(costs.checks, information.commandLine)
  programs.run()
  checks = programs.checks
  if let other = Accessor.elsewhere {
    var report = StaleReport(other, checks, features)
    report.run()
    var shootdowns = ShootdownDemonstration(report.checks)
    shootdowns.run()
    checks = shootdowns.checks
    var storm = StormDemonstration(checks)
    storm.run()
    checks = storm.checks
  }
  finish(checks, totals)
}

/// Whether the demonstration can run: its programs have a large page each.
private func hasEnoughMemory(_ totals: FrameTotals) -> Bool {
  guard totals.usable >= 1280 else { return false }
  do throws(TesseraError) {
    let request = FrameRequest(isZeroed: false, size: .twoMiB)
    let first = try Frame(allocating: PlainMemory(), request)
    let second = try Frame(allocating: PlainMemory(), request)
    return first.address != second.address
  } catch { return false }
}

private func greet(_ features: ProcessorFeatures, _ console: inout Console) {
  console.write("tessera ")
  console.write(Tessera.version)
  console.write(", memory management for x86-64 kernels\n")
  console.write("tessera: processor: ")
  features.writeName(to: &console)
  console.writeLine()
  console.write("tessera: features: ")
  features.writeFeatures(to: &console)
  console.writeLine()
}

/// Prints the verdict, and exits with its status.
private func finish(_ checks: Checks, _ totals: FrameTotals) -> Never {
  var console = Console()
  console.write("tessera: verdict: ")
  if checks.failureCount == 0 {
    console.write("pass, ")
    console.write(decimal: totals.usable, grouped: true)
    console.write(" frames, all freed; ")
    console.write(decimal: UInt64(Change.count))
    console.write(" kinds of change without a stale translation; ")
    console.write(decimal: UInt64(checks.count), grouped: true)
    console.write(" checks passed\n")
    ExitStatus.success.exit()
  }
  console.write("FAIL, ")
  console.write(decimal: UInt64(checks.failureCount), grouped: true)
  console.write(" of ")
  console.write(decimal: UInt64(checks.count), grouped: true)
  console.write(" checks failed\n")
  ExitStatus.failure.exit()
}
