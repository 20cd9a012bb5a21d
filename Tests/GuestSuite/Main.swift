internal import DemoPlatform
internal import Scenarios
internal import TesseraBoot
internal import TesseraFrames
internal import TesseraHardware

/// The entry point after the boot code, for the kernel that runs the guest suite.
@c(kernel_main) @used
public func kernelMain(_ magic: UInt32, _ information: UInt32) -> Never {
  _ = Platform.start(imagePath: "build/guest-suite.elf")
  let information = MemoryStart.readInformation(magic: magic, address: information)
  _ = MemoryStart.start(on: information)

  var suite = GuestSuite(seed: information.commandLine.value(of: "seed")?.decimal)
  suite.runScenarios()
  suite.runRandomFrameOperations()
  suite.runRandomSpaceOperations()
  suite.runRandomPagingOperations()
  suite.runRandomPagerOperations()
  suite.runRandomHeapOperations()
  suite.checkEveryFrame()
  suite.finish()
}
