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
  let totals = MemoryStart.start(on: information).totals
  DeliberateCrash.perform(information.commandLine)

  var checks = Checks()
  checks.check(totals.total == FrameTable.frameCount, "the totals add up to all frames")
  var frames = FrameDemonstration(checks)
  frames.run()
  var spaces = SpaceDemonstration(frames.checks)
  spaces.run()
  var stale = StaleReport(spaces.checks, features)
  stale.run()
  finish(stale.checks, totals)
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
