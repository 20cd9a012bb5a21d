internal import TesseraHardware

/// How a run of the kernel ended, told to QEMU's isa-debug-exit device.
///
/// QEMU exits with twice the value plus one, so no value here can look like the 0 of a machine that
/// was reset by a triple fault.
public enum ExitStatus: UInt32 {
  /// 33: everything that was checked held.
  case success = 0x10
  /// 35: the kernel ran to its end and found something wrong.
  case failure = 0x11
  /// 37: an unexpected exception, or a panic.
  case crashed = 0x12
  /// 39: Tessera cannot run on the machine, or the loader left damaged information.
  case cannotStart = 0x13

  /// Leaves QEMU with this status. A machine without the device halts.
  public func exit() -> Never {
    SerialPort.drain()
    // SAFETY: the port belongs to the exit device, or to nothing.
    unsafe Processor.write(rawValue, toPort: 0xf4)
    Processor.halt()
  }
}
