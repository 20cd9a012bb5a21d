internal import CBoot

/// The image of the user program that is part of the kernel: what is loaded at its first address,
/// and where its parts end. All addresses are those of the program, and multiples of 4096.
public struct UserProgram {
  /// What the program may execute, what it may read, and what it may write.
  public let code, constants, data: Range<UInt64>
  /// The variables that begin as zero, which are not in the image.
  public let zeroedData: Range<UInt64>
  /// The address of its first instruction.
  public let entry: UInt64

  public init() {
    let start = UInt64(PROGRAM_START)
    func field(_ index: UInt64) -> UInt64 { Self.word(at: start + index * 8) }
    code = start..<field(0)
    constants = field(0)..<field(1)
    data = field(1)..<field(2)
    zeroedData = field(2)..<field(3)
    entry = field(4)
  }

  /// The word that is loaded at `address`, a multiple of eight not below the first; zero after the
  /// end of the image.
  public static func word(at address: UInt64) -> UInt64 {
    let place = boot_program_address() + (address - UInt64(PROGRAM_START))
    var word: UInt64 = 0
    for index in 0..<UInt64(8) where place + index < boot_program_end_address() {
      // SAFETY: a byte of the image, which is never at zero.
      let byte = unsafe UnsafePointer<UInt8>(bitPattern: UInt(place + index)).unsafelyUnwrapped
      word |= UInt64(unsafe byte.pointee) << (index * 8)
    }
    return word
  }
}
