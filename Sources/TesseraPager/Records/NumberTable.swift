internal import TesseraFrames
internal import TesseraHardware

/// Numbers for records, so that entries of page tables and slots of frames can name them: from 1,
/// the lowest first, and used again.
///
/// A directory of 512 frames with 512 words each, added as they are needed: 262,143 numbers. Used
/// under `PagerLock`.
struct NumberTable: ~Copyable {
  /// The address of the directory, a frame of this table's.
  private var directory: PhysicalAddress?
  /// The first of the numbers that were freed, whose word is the next; 0 for none.
  private var firstFree: UInt32 = 0
  /// No number from this on was ever given out.
  private(set) var end: UInt32 = 1

  private static var limit: UInt32 { 512 * 512 }

  /// What taking a number takes.
  enum Room {
    case enough
    /// A frame has to be added first.
    case frameNeeded
    /// All numbers are taken.
    case none
  }

  var room: Room {
    if firstFree != 0 { return .enough }
    if end == Self.limit { return .none }
    return table(of: end) == nil ? .frameNeeded : .enough
  }

  /// Adds the frame at `address`, if one is needed; otherwise it is still there.
  mutating func add(_ address: inout PhysicalAddress?) {
    guard case .frameNeeded = room, let added = address.take() else { return }
    guard let directory else {
      directory = added
      return
    }
    Self.setWord(added.rawValue, of: directory, at: end >> 9)
  }

  /// Takes a number, and has it mean `address`, which is not zero and even. There is room.
  mutating func take(for address: UInt) -> UInt32 {
    let number: UInt32
    if firstFree != 0 {
      number = firstFree
      firstFree = UInt32(word(number) >> 1)
    } else {
      number = end
      end += 1
    }
    setWord(UInt64(address), of: number)
    return number
  }

  /// Frees `number`.
  mutating func free(_ number: UInt32) {
    setWord(UInt64(firstFree) << 1 | 1, of: number)
    firstFree = number
  }

  /// What `number` means; 0 if it is not taken.
  func address(of number: UInt32) -> UInt {
    guard number > 0, number < end else { return 0 }
    let word = word(number)
    return word & 1 == 0 ? UInt(word) : 0
  }

  /// As `removeAll`, when the frames are gone.
  mutating func forget() { (directory, firstFree, end) = (nil, 0, 1) }

  /// Frees the frames. No number is taken.
  mutating func removeAll() {
    guard let directory else { return }
    for place in 0..<512 as Range<UInt32> {
      let address = Self.word(of: directory, at: place)
      // SAFETY: `add` was given the frame, which nothing uses any more.
      if address != 0 { unsafe RecordFrame.free(PhysicalAddress(address)) }
    }
    // SAFETY: as above.
    unsafe RecordFrame.free(directory)
    forget()
  }
}

extension NumberTable {
  /// The frame with the word of `number`, if there is one.
  private func table(of number: UInt32) -> PhysicalAddress? {
    guard let directory else { return nil }
    let address = Self.word(of: directory, at: number >> 9)
    return address == 0 ? nil : PhysicalAddress(address)
  }

  /// The frame with the word of `number`, which was given out.
  private func existingTable(of number: UInt32) -> PhysicalAddress {
    guard let table = table(of: number) else { panic("a number of the pager was never given out") }
    return table
  }

  private func word(_ number: UInt32) -> UInt64 {
    Self.word(of: existingTable(of: number), at: number & 511)
  }

  private func setWord(_ value: UInt64, of number: UInt32) {
    Self.setWord(value, of: existingTable(of: number), at: number & 511)
  }

  /// Word `place`, below 512, of a frame of the table's.
  private static func word(of frame: PhysicalAddress, at place: UInt32) -> UInt64 {
    // SAFETY: the frame is the table's.
    unsafe PhysicalMemory.loadWord(from: PhysicalMemory.pointer(to: frame) + Int(place) * 8)
  }

  private static func setWord(_ value: UInt64, of frame: PhysicalAddress, at place: UInt32) {
    // SAFETY: the frame is the table's.
    unsafe PhysicalMemory.storeWord(
      value, to: PhysicalMemory.pointer(to: frame) + Int(place) * 8)
  }
}

/// A frame with numbers of the pager, or words of swap slots.
struct RecordFrame: UntypedFrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe RecordFrame.destroy(at: $0) } }
  static var hasDestructor: Bool { false }

  /// Allocates a frame of zeros, which is the caller's. Throws `outOfFrames`.
  static func allocate() throws(TesseraError) -> PhysicalAddress {
    try UniqueFrame(allocating: RecordFrame()).relinquish()
  }

  /// Frees the frame at `address`, which `allocate` returned, and which the caller gives up.
  @unsafe static func free(_ address: PhysicalAddress) {
    _ = unsafe UniqueFrame<RecordFrame>(adopting: address)
  }
}
