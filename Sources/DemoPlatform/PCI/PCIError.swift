public import TesseraHardware

/// The reason why the registers of a virtio device cannot be found: what is wrong in the
/// configuration of its PCI function.
public enum PCIError: Error, Equatable {
  /// The function has no list of capabilities.
  case noCapabilities
  /// The list leads into the header of the configuration.
  case capabilityInHeader(offset: UInt8)
  /// The list leads back to where it has been.
  case endlessList
  /// A capability claims fewer bytes than its kind has.
  case capabilityTooShort(offset: UInt8)
  /// A capability extends beyond the end of the configuration.
  case capabilityPastEnd(offset: UInt8)
  /// A structure is shorter than what is used of it.
  case structureTooShort(offset: UInt8)
  /// A structure is not aligned as its registers have to be.
  case structureMisaligned(offset: UInt8)
  /// A structure extends beyond the memory of its base address register.
  case structurePastEnd(offset: UInt8)
  /// A base address register has no address that memory of its size can have.
  case unassigned(register: UInt8)
  /// The device has no structure that is needed.
  case missing(VirtioStructures.Kind)

  /// Writes what is wrong, without a line feed.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    switch self {
    case .noCapabilities: sink.write("its PCI function has no list of capabilities")
    case .capabilityInHeader(let offset):
      write("its list of PCI capabilities leads into the header: offset ", offset, to: &sink)
    case .endlessList: sink.write("its list of PCI capabilities does not end")
    case .capabilityTooShort(let offset):
      write("a PCI capability is too short: offset ", offset, to: &sink)
    case .capabilityPastEnd(let offset):
      write("a PCI capability extends beyond the configuration: offset ", offset, to: &sink)
    case .structureTooShort(let offset):
      write("the registers of a PCI capability are too short: offset ", offset, to: &sink)
    case .structureMisaligned(let offset):
      write("the registers of a PCI capability are not aligned: offset ", offset, to: &sink)
    case .structurePastEnd(let offset):
      write(
        "the registers of a PCI capability extend beyond its memory: offset ", offset, to: &sink)
    case .unassigned(let register):
      write("a PCI base address register has no valid address: number ", register, to: &sink)
    case .missing(let kind):
      sink.write("it has no PCI capability of ")
      sink.write(kind.name)
    }
  }

  private func write<Sink: TextSink & ~Copyable>(
    _ words: StaticString, _ value: UInt8, to sink: inout Sink
  ) {
    sink.write(words)
    sink.write(decimal: UInt64(value))
  }
}
