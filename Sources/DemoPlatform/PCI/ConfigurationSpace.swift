/// The 256 bytes of configuration registers of a PCI function.
///
/// PCI Local Bus Specification 3.0, "Configuration Space". A device that is damaged may return
/// anything: each number is checked before it is used.
package protocol ConfigurationSpace {
  /// Returns the four bytes at `offset`, a multiple of four.
  func word(at offset: UInt8) -> UInt32

  /// Stores `value` in the four bytes at `offset`, a multiple of four.
  func setWord(_ value: UInt32, at offset: UInt8)
}

extension ConfigurationSpace {
  /// Returns the byte at `offset`.
  func byte(at offset: UInt8) -> UInt8 {
    UInt8(truncatingIfNeeded: word(at: offset & ~3) >> UInt32(offset % 4 * 8))
  }

  /// Returns the two bytes at `offset`, a multiple of two.
  func halfWord(at offset: UInt8) -> UInt16 {
    UInt16(truncatingIfNeeded: word(at: offset & ~3) >> UInt32(offset % 4 * 8))
  }

  /// The vendor in the lower half, and the device in the upper one.
  package var identification: UInt32 { word(at: 0) }

  /// What the command register turns on.
  private static var decodesPorts: UInt16 { 1 }
  private static var decodesMemory: UInt16 { 2 }
  private static var mastersBus: UInt16 { 4 }
  private static var disablesInterrupt: UInt16 { 0x400 }

  /// Has the function answer to accesses to its memory and access memory itself, without
  /// interrupts.
  package func enable() {
    setCommand(halfWord(at: 4) | Self.decodesMemory | Self.mastersBus | Self.disablesInterrupt)
  }

  /// Calls `body` while the function answers to no access to ports or memory.
  func withoutDecoding<Result>(_ body: () -> Result) -> Result {
    let command = halfWord(at: 4)
    setCommand(command & ~(Self.decodesPorts | Self.decodesMemory))
    defer { setCommand(command) }
    return body()
  }

  /// Stores the command register. A bit of the status register, which is the other half of the
  /// word, changes only if it is written as one.
  private func setCommand(_ command: UInt16) { setWord(UInt32(command), at: 4) }
}
