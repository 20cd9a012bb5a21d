internal import CBoot
internal import DemoPlatform
internal import Tessera
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// The user program, loaded in a space that no process runs in: each begins as a copy of it.
struct ProgramImage: ~Copyable {
  /// All that a program may use.
  static var range: Range<VirtualAddress> {
    VirtualAddress(UInt64(PROGRAM_START))..<VirtualAddress(UInt64(PROGRAM_STACK_END))
  }

  /// The stack, which grows downwards as far as this.
  static var stack: Range<UInt64> {
    let end = UInt64(PROGRAM_STACK_END)
    return end - UInt64(PROGRAM_STACK_SIZE)..<end
  }

  /// The addresses that a program may ask for.
  static var heap: Range<UInt64> { UInt64(PROGRAM_HEAP)..<stack.lowerBound }

  let space: VmSpace
  private let entry: UInt64

  /// Loads the program. Throws `outOfFrames`.
  init() throws(TesseraError) {
    let program = UserProgram()
    let space = try VmSpace()
    try Self.load(program.code, in: space, as: .userReadExecute)
    try Self.load(program.constants, in: space, as: .userRead)
    try Self.load(program.data, in: space, as: .userReadWrite)
    try Self.setDemandZero(program.zeroedData, in: space)
    try Self.setDemandZero(Self.stack, in: space)
    self.space = space
    entry = program.entry
  }

  /// The registers of a program that begins, with the arguments of its main function.
  func registers(_ first: UInt64, _ second: UInt64) -> UserRegisters {
    UserRegisters(
      instructionPointer: entry, stackPointer: UInt64(PROGRAM_STACK_END), first, second)
  }

  /// Lets the pages at `addresses` appear when a program uses them. Throws `alreadyMapped` or
  /// `outOfFrames`.
  static func setDemandZero(
    _ addresses: Range<UInt64>, in space: borrowing VmSpace
  ) throws(TesseraError) {
    let pages = VirtualAddress(addresses.lowerBound)..<VirtualAddress(addresses.upperBound)
    try space.withCursor(over: pages) { cursor throws(TesseraError) in
      try cursor.setDemandZero(addresses.upperBound - addresses.lowerBound, as: .userReadWrite)
    }
  }

  /// Maps new frames at `addresses`, with what the image has there.
  private static func load(
    _ addresses: Range<UInt64>, in space: borrowing VmSpace, as property: PageProperty
  ) throws(TesseraError) {
    let byteCount = addresses.upperBound - addresses.lowerBound
    let made = try Segment(allocating: Int(byteCount / 4096)) { _ in PlainMemory() }
    for offset in 0..<byteCount / 8 {
      made.setWord(UserProgram.word(at: addresses.lowerBound + offset * 8), at: offset * 8)
    }
    var segment: Segment<PlainMemory>? = consume made
    let pages = VirtualAddress(addresses.lowerBound)..<VirtualAddress(addresses.upperBound)
    try space.withCursor(over: pages) { cursor throws(TesseraError) in
      try cursor.map(&segment, as: property)
    }
  }
}
