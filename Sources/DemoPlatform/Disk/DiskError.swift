public import TesseraHardware

/// The reason why there is no disk to use.
public enum DiskError: Error, Equatable {
  /// No PCI bus has a virtio disk.
  case absent
  /// The configuration of its PCI function is damaged.
  case damaged(PCIError)
  /// The firmware has put its registers where other memory is, or no address reaches.
  case registersElsewhere
  /// The device does not answer to a reset.
  case unresettable
  /// The device has only the interface from before VIRTIO 1.0.
  case legacy
  /// The device does not accept a driver with so few features.
  case needsFeatures
  /// The device has no queue for as many requests as are needed.
  case queueTooSmall
  /// No memory is left for its queue, or to map its registers.
  case noMemory

  /// Writes the reason, without a line feed.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    switch self {
    case .absent: sink.write("no virtio disk is on the PCI buses")
    case .damaged(let error): error.write(to: &sink)
    case .registersElsewhere: sink.write("its registers are where memory is, or out of reach")
    case .unresettable: sink.write("it does not answer to a reset")
    case .legacy: sink.write("it has only the interface from before VIRTIO 1.0")
    case .needsFeatures: sink.write("it does not accept a driver with so few features")
    case .queueTooSmall: sink.write("its queue has no room for two requests")
    case .noMemory: sink.write("no memory is left for its queue and its registers")
    }
  }
}
