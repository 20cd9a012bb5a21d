/// Where the registers of a virtio device are, as the capabilities of its PCI function say.
///
/// VIRTIO 1.2, "Virtio Structure PCI Capabilities". All of the list is checked before any of it
/// counts. Of a structure that is there several times, the first one that this kernel can use does.
public struct VirtioStructures {
  /// The structures that are used, by their number in a capability.
  public enum Kind: UInt8, Sendable {
    case common = 1
    case notification = 2
    case device = 4

    package var name: StaticString {
      switch self {
      case .common: "common registers"
      case .notification: "notification registers"
      case .device: "device registers"
      }
    }

    /// The bytes of the structure that are used.
    fileprivate var leastByteCount: UInt64 {
      switch self {
      case .common: 56
      case .notification: 2
      case .device: 8
      }
    }

    fileprivate var alignment: UInt64 { self == .notification ? 2 : 4 }

    /// The bytes of the capability: one of notifications has a multiplier at its end.
    fileprivate var capabilityByteCount: UInt8 { self == .notification ? 20 : 16 }
  }

  /// A structure in physical memory.
  package struct Place: Equatable, Sendable {
    package let address: UInt64
    package let byteCount: UInt64
  }

  package let common: Place
  package let notification: Place
  package let device: Place
  /// The distance between the notification registers of two queues, in bytes.
  package let notificationStride: UInt32

  /// Reads the list of capabilities of the function with `space`.
  ///
  /// - Throws: What is wrong with it.
  package init<Space: ConfigurationSpace>(of space: Space) throws(PCIError) {
    var common: Place?
    var notification: Place?
    var device: Place?
    var stride: UInt32 = 0
    var list = try VirtioCapabilities(of: space)
    while let capability = try list.next() {
      guard let kind = Kind(rawValue: capability.kind) else { continue }
      try capability.check(leastByteCount: kind.capabilityByteCount)
      guard let place = try capability.place(of: kind) else { continue }
      switch kind {
      case .common: common = common ?? place
      case .notification:
        if notification == nil { stride = space.word(at: capability.offset + 16) }
        notification = notification ?? place
      case .device: device = device ?? place
      }
    }
    guard let common else { throw .missing(.common) }
    guard let notification else { throw .missing(.notification) }
    guard let device else { throw .missing(.device) }
    self.common = common
    self.notification = notification
    self.device = device
    notificationStride = stride
  }

  /// The physical address of the notification register of a queue, whose common registers hold
  /// `offset`; nil if it is not in the structure.
  package func notificationAddress(offset: UInt16) -> UInt64? {
    let start = UInt64(offset) * UInt64(notificationStride)
    guard start % 2 == 0, start <= notification.byteCount - 2 else { return nil }
    return notification.address + start
  }
}

extension VirtioCapability {
  /// The place of a structure of `kind`; nil if it is in a register of ports, or in one that no
  /// function has, both of which must be ignored.
  fileprivate func place(
    of kind: VirtioStructures.Kind
  ) throws(PCIError) -> VirtioStructures.Place? {
    let register = space.byte(at: offset + 4)
    guard register < 6, PCIBaseAddress.isMemory(register, of: space) else { return nil }
    let start = UInt64(space.word(at: offset + 8))
    let byteCount = UInt64(space.word(at: offset + 12))
    if byteCount < kind.leastByteCount { throw .structureTooShort(offset: offset) }
    if start % kind.alignment != 0 { throw .structureMisaligned(offset: offset) }
    let memory = try PCIBaseAddress(register, of: space)
    if start + byteCount > memory.byteCount { throw .structurePastEnd(offset: offset) }
    return VirtioStructures.Place(address: memory.address + start, byteCount: byteCount)
  }
}
