internal import TesseraHardware

/// What a page contains: four words at certain places, and zeros everywhere else.
struct PagerWords: BitwiseCopyable {
  static var count: Int { 4 }
  private(set) var first: UInt64 = 0
  private(set) var second: UInt64 = 0
  private(set) var third: UInt64 = 0
  private(set) var last: UInt64 = 0

  /// The offset of word `number` in the page.
  static func offset(_ number: Int) -> Int {
    switch number {
    case 0: 0
    case 1: 1360
    case 2: 2728
    default: 4088
    }
  }

  subscript(number: Int) -> UInt64 {
    get {
      switch number {
      case 0: first
      case 1: second
      case 2: third
      default: last
      }
    }
    set {
      switch number {
      case 0: first = newValue
      case 1: second = newValue
      case 2: third = newValue
      default: last = newValue
      }
    }
  }

  static func == (left: PagerWords, right: PagerWords) -> Bool {
    left.first == right.first && left.second == right.second && left.third == right.third
      && left.last == right.last
  }

  /// The byte at `offset`.
  func byte(at offset: Int) -> UInt8 {
    guard let number = Self.number(at: offset) else { return 0 }
    return UInt8(truncatingIfNeeded: self[number] >> Self.shift(offset, number))
  }

  /// Changes the byte at `offset`, which is in a word.
  mutating func setByte(_ byte: UInt8, at offset: Int) {
    guard let number = Self.number(at: offset) else { return }
    let shift = Self.shift(offset, number)
    self[number] = self[number] & ~(0xff << shift) | UInt64(byte) << shift
  }

  /// Makes all bytes from `offset` on zeros.
  mutating func clear(from offset: Int) {
    for number in 0..<Self.count {
      let kept = offset - Self.offset(number)
      if kept <= 0 { self[number] = 0 } else if kept < 8 { self[number] &= 1 << (kept * 8) - 1 }
    }
  }

  private static func number(at offset: Int) -> Int? {
    for number in 0..<count where offset >= self.offset(number) && offset < self.offset(number) + 8
    {
      return number
    }
    return nil
  }

  private static func shift(_ offset: Int, _ number: Int) -> UInt64 {
    UInt64(offset - self.offset(number)) * 8
  }
}

// In memory.
extension PagerWords {
  /// Fills the 4 KiB at `address`, which nothing else uses, with these contents.
  func fill(_ address: UInt64) {
    let frame = PhysicalAddress(address)
    // SAFETY: the caller owns the memory.
    unsafe PhysicalMemory.fill(from: frame, with: 0, byteCount: 4096)
    for number in 0..<Self.count {
      // SAFETY: as above; the offset is inside.
      unsafe PhysicalMemory.storeWord(
        self[number], to: PhysicalMemory.pointer(to: frame) + Self.offset(number))
    }
  }

  /// What is in the 4 KiB at `address`; nil if there is something beside the words.
  static func contents(of address: UInt64) -> PagerWords? {
    let found = words(at: address)
    // SAFETY: the caller has the memory; it is only read.
    let page = unsafe UnsafeRawBufferPointer(
      start: PhysicalMemory.pointer(to: PhysicalAddress(address)), count: 4096)
    var all: UInt64 = 0
    for place in 0..<512 {
      // SAFETY: the place is one of the 512 words of the page.
      all |= unsafe page.load(fromByteOffset: place * 8, as: UInt64.self)
    }
    var known: UInt64 = 0
    for number in 0..<count { known |= found[number] }
    return all == known ? found : nil
  }

  /// The words of the 4 KiB at `address`.
  static func words(at address: UInt64) -> PagerWords {
    var found = PagerWords()
    for number in 0..<count {
      // SAFETY: the walk asks only for memory that is a page's.
      found[number] = unsafe PhysicalMemory.loadWord(
        from: PhysicalMemory.pointer(to: PhysicalAddress(address)) + offset(number))
    }
    return found
  }
}
