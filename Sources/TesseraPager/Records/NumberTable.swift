internal import TesseraFrames
internal import TesseraHardware

/// Numbers for records, so that entries of page tables and slots of frames can name them: from 1,
/// the lowest first, and used again.
///
/// A directory of 512 frames with 512 words each, added as they are needed: 262,143 numbers. Used
/// under `PagerLock`.
struct NumberTable: ~Copyable {
  private var directory: UniqueFrame<RecordFrame>?
  /// The first of the numbers that were given back, whose word is the next; 0 for none.
  private var firstFree: UInt32 = 0
  /// No number from this on was ever given out.
  private var end: UInt32 = 1

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

  /// Adds `frame`, which is filled with zeros, if one is needed; otherwise it is still there.
  mutating func add(_ frame: inout UniqueFrame<RecordFrame>?) {
    guard case .frameNeeded = room, let added = frame.take() else { return }
    if directory == nil {
      directory = consume added
    } else {
      directory?.setWord(added.relinquish().rawValue, at: UInt64(end >> 9) * 8)
    }
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

  /// Gives `number` back.
  mutating func giveBack(_ number: UInt32) {
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
  mutating func forget() {
    _ = directory.take()?.relinquish()
    (firstFree, end) = (0, 1)
  }

  /// Frees the frames. No number is taken.
  mutating func removeAll() {
    guard let directory = directory.take() else { return }
    for place in 0..<UInt64(512) {
      let address = directory.word(at: place * 8)
      // SAFETY: `add` stored the addresses of frames that were given up.
      if address != 0 {
        _ = unsafe UniqueFrame<RecordFrame>(adopting: PhysicalAddress(address))
      }
    }
    firstFree = 0
    end = 1
  }
}

extension NumberTable {
  /// The frame with the word of `number`, if there is one.
  private func table(of number: UInt32) -> PhysicalAddress? {
    let address = directory?.word(at: UInt64(number >> 9) * 8) ?? 0
    return address == 0 ? nil : PhysicalAddress(address)
  }

  private func word(_ number: UInt32) -> UInt64 {
    // SAFETY: the frame is the table's.
    unsafe PhysicalMemory.loadWord(from: pointer(to: number))
  }

  private func setWord(_ value: UInt64, of number: UInt32) {
    // SAFETY: as above.
    unsafe PhysicalMemory.storeWord(value, to: pointer(to: number))
  }

  @unsafe private func pointer(to number: UInt32) -> UnsafeMutableRawPointer {
    guard let table = table(of: number) else { panic("a number of the pager was never given out") }
    return unsafe PhysicalMemory.pointer(to: table) + Int(number & 511) * 8
  }
}

/// A frame with numbers of the pager, or words of swap slots.
struct RecordFrame: UntypedFrameMetadata {
  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe RecordFrame.destroy(at: $0) } }
  static var hasDestructor: Bool { false }
}
