internal import CBoot
public import TesseraHardware

/// The machine around Tessera, as far as a kernel needs it to run and to report crashes.
public enum Platform {
  /// Access: written by `start(imagePath:)` before anything can crash, constant afterwards.
  nonisolated(unsafe) private static var imageName: StaticString = "build/tessera.elf"

  /// The image with debug information, for the hint below a backtrace.
  static var imagePath: StaticString {
    // SAFETY: constant once the kernel runs; see `imageName`.
    unsafe imageName
  }

  /// Makes exceptions reported and interrupts quiet, and reaches physical memory below 4 GiB
  /// through the boot code's page tables.
  ///
  /// Call it first. `imagePath` is the file to pass to a symbolizer. Returns the features of the
  /// processor.
  public static func start(imagePath: StaticString) -> ProcessorFeatures {
    // SAFETY: nothing else runs yet.
    unsafe imageName = imagePath
    DescriptorTables.install()
    maskInterruptControllers()
    // SAFETY: the boot code has mapped the first 4 GiB there, and those tables are in use.
    unsafe PhysicalMemory.setDirectMap(at: UInt(boot_direct_map_base()))

    let features = ProcessorFeatures()
    enableProtections(features)
    return features
  }

  /// Masks all lines of both interrupt controllers. Their vectors are those of exceptions: a timer
  /// tick would look like a double fault.
  private static func maskInterruptControllers() {
    // SAFETY: the mask registers of the two 8259 controllers.
    unsafe Processor.write(0xff as UInt8, toPort: 0x21)
    // SAFETY: the second controller's.
    unsafe Processor.write(0xff as UInt8, toPort: 0xa1)
  }

  /// Turns on UMIP, SMEP and SMAP where the processor has them. They are the kernel's choice; what
  /// Tessera itself needs, `Boot.start` turns on.
  ///
  /// Intel SDM Vol. 3A, "Control Registers".
  static func enableProtections(_ features: ProcessorFeatures) {
    var value = Processor.controlRegister4
    if features.hasUserModeInstructionPrevention { value.insert(.userModeInstructionPrevention) }
    if features.hasSupervisorExecutionPrevention { value.insert(.supervisorExecutionPrevention) }
    if features.hasSupervisorAccessPrevention { value.insert(.supervisorAccessPrevention) }
    // SAFETY: the kernel uses no user page, and nothing that these bits forbid.
    unsafe Processor.loadControlRegister4(value)
  }
}
