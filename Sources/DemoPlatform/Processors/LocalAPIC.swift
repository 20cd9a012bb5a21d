internal import CBoot
internal import TesseraHardware
internal import TesseraSpaces

/// The interrupt controller of the calling processor.
///
/// Intel SDM Vol. 3A, "Advanced Programmable Interrupt Controller (APIC)". It is reached through
/// memory, or through model-specific registers if the firmware has turned those on (x2APIC).
enum LocalAPIC {
  /// Where the registers are.
  private enum Access {
    /// The controller has not been started.
    case none
    /// At this virtual address.
    case memory(UInt64)
    case registers
  }

  /// Access: written by `start` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var access = Access.none

  /// The mapping of the registers, for ever. Access: as `access`.
  nonisolated(unsafe) private static var mapping: KernelMapping?

  /// The reasons why the controller cannot be used.
  enum Failure: Error {
    case absent
    case turnedOff
    case elsewhere
    case noMemory
  }

  /// A register, as the offset of a 16-byte slot in its memory.
  private enum Register: UInt32 {
    case id = 0x20
    case taskPriority = 0x80
    case endOfInterrupt = 0xb0
    case spuriousVector = 0xf0
    case command = 0x300
    case commandDestination = 0x310

    /// The number of the model-specific register.
    var number: UInt32 { 0x800 + rawValue / 16 }
  }

  /// The kinds of interrupts that are sent, as the delivery mode of the command register, with the
  /// level asserted.
  enum Message {
    case fixed(vector: UInt64)
    case nonMaskable
    case initialize
    /// The processor starts at the first byte of that page.
    case startup(page: UInt64)

    fileprivate var command: UInt32 {
      switch self {
      case .fixed(let vector): 0x4000 | UInt32(truncatingIfNeeded: vector)
      case .nonMaskable: 0x4400
      case .initialize: 0x4500
      case .startup(let page): 0x4600 | UInt32(truncatingIfNeeded: page)
      }
    }
  }

  private static var baseRegister: UInt32 { 0x1b }

  /// The id of the calling processor: what its controller says, or before that is started, what the
  /// processor was told at its reset.
  static var id: UInt32 {
    // SAFETY: see `access`.
    switch unsafe access {
    case .memory(let start): boot_read_device(start + UInt64(Register.id.rawValue)) >> 24
    case .registers: UInt32(truncatingIfNeeded: Processor.modelSpecificRegister(Register.id.number))
    case .none: Processor.identification(leaf: 1).ebx >> 24
    }
  }

  /// Whether the calling processor has its model-specific registers turned on
  /// (IA32_APIC_BASE.EXTD).
  static var isExtended: Bool {
    hasController && Processor.modelSpecificRegister(baseRegister) & 0xc00 == 0xc00
  }

  private static var hasController: Bool { Processor.identification(leaf: 1).edx & 1 << 9 != 0 }

  /// The greatest id that a message can be sent to.
  static var greatestID: UInt32 { isExtended ? 0xffff_fffe : 0xfe }

  /// Maps the registers, which the firmware says are at the physical `address`, and turns the
  /// calling processor's controller on. Uses the model-specific registers if the firmware does, or
  /// if the processor has them and `isExtensionWanted`.
  static func start(at address: UInt64, isExtensionWanted: Bool) throws(Failure) {
    guard hasController else { throw .absent }
    let base = Processor.modelSpecificRegister(baseRegister)
    guard base & 0x800 != 0 else { throw .turnedOff }
    let hasExtension = Processor.identification(leaf: 1).ecx & 1 << 21 != 0
    if isExtended || (isExtensionWanted && hasExtension) {
      // SAFETY: one processor runs.
      unsafe access = .registers
    } else {
      guard base & 0x000f_ffff_ffff_f000 == address, let place = PhysicalAddress(exactly: address)
      else { throw .elsewhere }
      // SAFETY: as above.
      unsafe access = .memory(try map(place))
    }
    enable()
  }

  /// Maps the page of the registers for ever. Returns its virtual address.
  private static func map(_ address: PhysicalAddress) throws(Failure) -> UInt64 {
    do throws(TesseraError) {
      // SAFETY: the processor has its registers there.
      let new = try unsafe KernelMapping(device: address, byteCount: 4096)
      let start = new.address.rawValue
      // SAFETY: one processor runs.
      unsafe mapping = consume new
      return start
    } catch { throw .noMemory }
  }

  /// Turns on the calling processor's controller, and its model-specific registers if those are
  /// used. It then takes every interrupt: the spurious vector is the highest, and its register has
  /// the bit that enables the rest.
  static func enable() {
    // SAFETY: see `access`.
    if case .registers = unsafe access, !isExtended {
      let base = Processor.modelSpecificRegister(baseRegister)
      boot_write_msr(baseRegister, base | 0xc00)
    }
    write(0, to: .taskPriority)
    write(UInt32(InterruptVector.spurious) | 0x100, to: .spuriousVector)
  }

  /// Ends the interrupt that is being handled, so that others are delivered.
  static func endInterrupt() { write(0, to: .endOfInterrupt) }

  /// Sends `message` to the processor with the APIC `id`. Does not wait for it to arrive there.
  static func send(_ message: Message, to id: UInt32) {
    // SAFETY: see `access`.
    switch unsafe access {
    case .none: break
    case .registers:
      boot_send_interrupt(UInt64(id) << 32 | UInt64(message.command))
    case .memory(let start):
      waitUntilSent(start)
      boot_write_device(start + UInt64(Register.commandDestination.rawValue), id << 24)
      boot_write_device(start + UInt64(Register.command.rawValue), message.command)
    }
  }

  /// Waits until the last message has left the controller at `start`, which takes less than a
  /// microsecond: not for the receiver. Gives up if it never does.
  private static func waitUntilSent(_ start: UInt64) {
    for _ in 0..<100_000 {
      let command = boot_read_device(start + UInt64(Register.command.rawValue))
      if command & 0x1000 == 0 { return }
      Processor.pause()
    }
  }

  private static func write(_ value: UInt32, to register: Register) {
    // SAFETY: see `access`.
    switch unsafe access {
    case .none: break
    case .memory(let start): boot_write_device(start + UInt64(register.rawValue), value)
    case .registers: boot_write_msr(register.number, UInt64(value))
    }
  }
}
