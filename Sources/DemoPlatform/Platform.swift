internal import CBoot
public import TesseraHardware

/// The machine around Tessera, as far as a kernel needs it to run and to crash well.
public enum Platform {
  /// Access: written by `start(imagePath:)` before anything can crash, constant afterwards.
  nonisolated(unsafe) private static var imageName: StaticString = "build/tessera.elf"

  /// Where the image with debug information lies, for the hint below a backtrace.
  static var imagePath: StaticString {
    // SAFETY: constant once the kernel runs; see `imageName`.
    unsafe imageName
  }

  /// Makes exceptions reported, interrupts quiet, and physical memory below 4 GiB visible.
  ///
  /// Call it first. Turns on the protections that the processor has, and tells Tessera how it
  /// translates addresses. `imagePath` is what a person gives to a symbolizer. Returns what the
  /// processor can do.
  public static func start(imagePath: StaticString) -> ProcessorFeatures {
    // SAFETY: nothing else runs yet.
    unsafe imageName = imagePath
    DescriptorTables.install()
    silenceInterruptControllers()
    // SAFETY: the boot code has mapped the first 4 GiB there, and those tables are in use.
    unsafe PhysicalMemory.setDirectMap(at: UInt(boot_window_base()))

    let features = ProcessorFeatures()
    turnOnProtections(features)
    startPaging(features)
    return features
  }

  /// Masks every line of both interrupt controllers. Their vectors are those of exceptions: a timer
  /// tick would look like a double fault.
  private static func silenceInterruptControllers() {
    // SAFETY: the mask registers of the two 8259 controllers.
    unsafe Processor.write(0xff as UInt8, toPort: 0x21)
    // SAFETY: as above.
    unsafe Processor.write(0xff as UInt8, toPort: 0xa1)
  }

  private static func startPaging(_ features: ProcessorFeatures) {
    // SAFETY: nothing else runs yet, and Tessera has made no table. The boot code turned NX on.
    unsafe PagingMode.install(
      PagingMode(features, controlRegister4: Processor.controlRegister4))
    guard features.hasPageAttributeTable else { return }
    // SAFETY: every page that the boot code mapped has index 0.
    unsafe CachePolicy.installAttributeTable()
  }

  /// The bits of CR4 (Intel SDM Vol. 3A, "Control Registers").
  private static func turnOnProtections(_ features: ProcessorFeatures) {
    var value = Processor.controlRegister4
    if features.hasGlobalPages { value |= 1 << 7 }
    if features.hasUserModeInstructionPrevention { value |= 1 << 11 }
    if features.hasSupervisorExecutionPrevention { value |= 1 << 20 }
    if features.hasSupervisorAccessPrevention { value |= 1 << 21 }
    // SAFETY: no page the kernel uses is a user page, and nothing is in use that these take away.
    unsafe Processor.loadControlRegister4(value)
  }
}
