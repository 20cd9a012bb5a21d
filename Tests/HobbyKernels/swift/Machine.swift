import Tessera

/// The exit status that is written to QEMU's exit device.
enum Verdict: UInt32 {
  case passed = 0x10
  case failed = 0x11
  case crashed = 0x12
}

/// The first serial port, and the exit device.
struct Machine: TextSink {
  private static var port: UInt16 { 0x3f8 }

  static func start() {
    write(0x00, 1)  // no interrupts
    write(0x80, 3)  // the next two are the divisor: 115200 baud
    write(0x01, 0)
    write(0x00, 1)
    write(0x03, 3)  // 8 bits, no parity, 1 stop bit
    write(0xc7, 2)  // FIFOs on and cleared
    catch_page_faults()
  }

  mutating func write(byte: UInt8) {
    Machine.wait(for: 0x20)
    Machine.write(byte, 0)
  }

  static func powerOff(_ verdict: Verdict) -> Never {
    wait(for: 0x40)
    // SAFETY: QEMU's exit device, or nothing.
    unsafe Processor.write(verdict.rawValue, toPort: 0xf4)
    while true { Processor.halt() }
  }

  private static func write(_ byte: UInt8, _ register: UInt16) {
    // SAFETY: the serial controller's registers.
    unsafe Processor.write(byte, toPort: port + register)
  }

  private static func wait(for status: UInt8) {
    // SAFETY: reading the line status has no side effects.
    while unsafe Processor.readByte(fromPort: port + 5) & status == 0 { Processor.pause() }
  }
}

/// The one hook that every kernel has to implement for Tessera.
@c(tessera_host_panic) @used
func panicked(_ message: UnsafePointer<CChar>, _ length: Int) -> Never {
  var machine = Machine()
  machine.write("verdict: crashed, ")
  for index in 0..<length {
    // SAFETY: `length` bytes are there.
    machine.write(byte: unsafe UInt8(bitPattern: message[index]))
  }
  machine.writeLine()
  Machine.powerOff(.crashed)
}

/// Called by boot.S.
@c(unexpected_page_fault) @used
func unexpectedPageFault() -> Never {
  var machine = Machine()
  machine.write("verdict: crashed, by an unexpected page fault\n")
  Machine.powerOff(.crashed)
}
