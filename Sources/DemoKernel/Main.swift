internal import DemoPlatform
internal import TesseraHardware

/// Where the boot code arrives: `magic` says which loader it was, `information` is the physical
/// address of what the loader knows.
@c(kernel_main) @used
public func kernelMain(_ magic: UInt32, _ information: UInt32) -> Never {
  let features = Platform.start(imagePath: "build/tessera.elf")
  var console = Console()
  console.write("tessera 0.1, memory management for x86-64 kernels\n")
  console.write("tessera: processor: ")
  features.writeName(to: &console)
  console.writeLine()
  console.write("tessera: features: ")
  features.writeFeatures(to: &console)
  console.writeLine()
  console.write("tessera: loader's magic number ")
  console.write(hexadecimal: UInt64(magic))
  console.write(", its information at ")
  console.write(hexadecimal: UInt64(information))
  console.writeLine()
  DeliberateCrash.perform(CommandLine(magic: magic, information: information))
  console.write("tessera: verdict: pass\n")
  ExitStatus.success.exit()
}
