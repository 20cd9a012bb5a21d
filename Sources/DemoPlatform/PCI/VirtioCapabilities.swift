/// The capabilities of a PCI function that describe a virtio device.
///
/// PCI Local Bus Specification 3.0, "Capabilities List". Each is checked to lie between the header
/// and the end of the configuration, and the list to end.
struct VirtioCapabilities<Space: ConfigurationSpace> {
  private let space: Space
  private var nextOffset: UInt8
  /// The number of capabilities that the list may still have: so many have room.
  private var countLeft = 48

  /// The first byte that is not in the header.
  private static var start: UInt8 { 0x40 }
  private static var vendorSpecific: UInt8 { 9 }

  /// Begins at the first capability.
  ///
  /// - Throws: `noCapabilities`.
  init(of space: Space) throws(PCIError) {
    // A bit of the status register.
    guard space.halfWord(at: 6) & 0x10 != 0 else { throw .noCapabilities }
    self.space = space
    nextOffset = space.byte(at: 0x34) & ~3
  }

  /// Returns the next capability of virtio's, or nil at the end.
  ///
  /// - Throws: `capabilityInHeader` or `endlessList`.
  mutating func next() throws(PCIError) -> VirtioCapability<Space>? {
    while nextOffset != 0 {
      let offset = nextOffset
      if offset < Self.start { throw .capabilityInHeader(offset: offset) }
      if countLeft == 0 { throw .endlessList }
      countLeft -= 1
      nextOffset = space.byte(at: offset + 1) & ~3
      guard space.byte(at: offset) == Self.vendorSpecific else { continue }
      return VirtioCapability(space: space, offset: offset)
    }
    return nil
  }
}

/// A capability that describes a structure of a virtio device.
struct VirtioCapability<Space: ConfigurationSpace> {
  let space: Space
  /// The offset of its first byte, a multiple of four.
  let offset: UInt8

  /// The number of the kind of structure.
  var kind: UInt8 { space.byte(at: offset + 3) }

  /// Checks that it has that many bytes, and that all it claims are within the configuration.
  ///
  /// - Throws: `capabilityTooShort` or `capabilityPastEnd`.
  func check(leastByteCount: UInt8) throws(PCIError) {
    // The byte of the length is within the configuration, as the offset is a multiple of four.
    let byteCount = space.byte(at: offset + 2)
    if byteCount < leastByteCount { throw .capabilityTooShort(offset: offset) }
    if Int(offset) + Int(byteCount) > 256 { throw .capabilityPastEnd(offset: offset) }
  }
}
