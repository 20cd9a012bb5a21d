/// The vectors of the interrupts that processors send each other.
///
/// The higher the number, the higher the priority. The controllers of the PC are masked, so there
/// are no others.
enum InterruptVector {
  /// A program calls the kernel, by the instruction `int 0x80`.
  static let systemCall: UInt64 = 0x80
  /// The processor has a task, or Tessera asks something of it: it leaves its halt.
  static let wake: UInt64 = 0xe0
  /// Tessera asks the processor to flush translations.
  static let tessera: UInt64 = 0xf0
  /// An interrupt went away before it was delivered. It is not to be ended.
  static let spurious: UInt64 = 0xff
}
