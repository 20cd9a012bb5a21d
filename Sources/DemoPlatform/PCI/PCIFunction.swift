package import TesseraHardware

/// A function of a device on a PCI bus, whose configuration registers are reached through the ports
/// 0xcf8 and 0xcfc.
///
/// PCI Local Bus Specification 3.0, "Configuration Mechanism #1". One processor uses the ports at a
/// time: at the start of the kernel.
package struct PCIFunction: ConfigurationSpace, Sendable {
  private let number: UInt16

  private static let addressPort: UInt16 = 0xcf8
  private static let dataPort: UInt16 = 0xcfc

  /// The function in `0..<8` of the device in `0..<32` on a bus in `0..<256`.
  init(bus: Int, device: Int, function: Int) {
    number = UInt16(truncatingIfNeeded: bus << 8 | device << 3 | function)
  }

  private func select(_ offset: UInt8) {
    let address = 0x8000_0000 | UInt32(number) << 8 | UInt32(offset & ~3)
    // SAFETY: the port only selects what the data port accesses.
    unsafe Processor.write(address, toPort: Self.addressPort)
  }

  package func word(at offset: UInt8) -> UInt32 {
    select(offset)
    var value: UInt32 = 0
    for index in 0..<4 as Range<UInt16> {
      // SAFETY: reading the registers of configuration changes nothing.
      let byte = unsafe Processor.readByte(fromPort: Self.dataPort + index)
      value |= UInt32(byte) << UInt32(8 * index)
    }
    return value
  }

  package func setWord(_ value: UInt32, at offset: UInt8) {
    select(offset)
    // SAFETY: the caller configures a function that is its own.
    unsafe Processor.write(value, toPort: Self.dataPort)
  }

  /// Writes bus, device and function as people write them: 00:1f.2.
  package func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    func write(_ value: UInt16) {
      let digit = UInt8(truncatingIfNeeded: value & 15)
      sink.write(byte: digit < 10 ? 48 + digit : 87 + digit)
    }
    write(number >> 12)
    write(number >> 8)
    sink.write(":")
    write(number >> 7 & 1)
    write(number >> 3)
    sink.write(".")
    write(number & 7)
  }
}

extension PCIFunction {
  private var isPresent: Bool { halfWord(at: 0) != 0xffff }

  /// The kind of header, and whether the device has functions beyond the first.
  private var headerType: UInt8 { byte(at: 14) }

  /// The last bus behind a bridge, which the firmware has numbered; nil of what is no bridge.
  private var lastBusBehind: UInt8? { headerType & 0x7f == 1 ? byte(at: 26) : nil }

  /// Returns the first function for which `isWanted` returns true: on bus 0, and on those behind
  /// its bridges.
  package static func first(where isWanted: (PCIFunction) -> Bool) -> PCIFunction? {
    var bus = 0
    var lastBus = 0
    while bus <= lastBus {
      for device in 0..<32 {
        if let found = first(bus: bus, device: device, &lastBus, where: isWanted) { return found }
      }
      bus += 1
    }
    return nil
  }

  /// As `first(where:)`, among the functions of a device. Raises `lastBus` to the last one behind a
  /// bridge.
  private static func first(
    bus: Int, device: Int, _ lastBus: inout Int, where isWanted: (PCIFunction) -> Bool
  ) -> PCIFunction? {
    for number in 0..<8 {
      let function = PCIFunction(bus: bus, device: device, function: number)
      guard function.isPresent else {
        if number == 0 { return nil }
        continue
      }
      if isWanted(function) { return function }
      if let last = function.lastBusBehind { lastBus = max(lastBus, Int(last)) }
      if number == 0 && function.headerType & 0x80 == 0 { return nil }
    }
    return nil
  }
}
