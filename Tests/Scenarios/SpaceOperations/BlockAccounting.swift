internal import TesseraFrames
internal import TesseraHardware

/// The blocks of 2 MiB that a run maps: as one large frame each, or as a segment of 512.
struct BlockAccounting: ~Copyable {
  /// How many blocks there can be.
  static var size: Int { 4 }
  static var byteCount: UInt64 { PageSize.twoMiB.byteCount }

  /// Where each block is; nil if there is none.
  private(set) var addresses = [4 of PhysicalAddress?](repeating: nil)
  private var handles = InlineArray<4, HeldFrame?> { _ in nil }

  /// A place where no block is; nil if there is none.
  func freePlace() -> Int? {
    for place in 0..<Self.size where addresses[place] == nil { return place }
    return nil
  }

  mutating func note(_ address: PhysicalAddress, at place: Int) { addresses[place] = address }

  /// Puts a new large frame at `place`, which is free.
  mutating func keep(_ frame: consuming Frame<PlainMemory>, at place: Int) {
    addresses[place] = frame.address
    handles[place] = HeldFrame(frame)
  }

  /// Another handle to the frame at `place`, if it has one.
  func share(_ place: Int) -> Frame<PlainMemory>? {
    switch handles[place] {
    case .some(let held): held.frame.share()
    case .none: nil
    }
  }

  func hasHandle(_ place: Int) -> Bool {
    switch handles[place] {
    case .some: true
    case .none: false
    }
  }

  mutating func dropHandle(_ place: Int) { handles[place] = nil }

  /// Forgets the block at `place`, of which nothing is left.
  mutating func remove(_ place: Int) { addresses[place] = nil }

  /// The block that holds the memory at `address`.
  func place(of address: UInt64) -> Int? {
    for place in 0..<Self.size {
      if let start = addresses[place], address &- start.rawValue < Self.byteCount { return place }
    }
    return nil
  }
}

/// How often each page of a block is mapped by a small leaf, and the whole by a large one.
struct BlockUse {
  var small = [512 of UInt16](repeating: 0)
  var large: UInt64 = 0

  /// How many pages are mapped at all by small leaves, and how many such leaves there are.
  var smallPages: UInt64 {
    var count: UInt64 = 0
    for index in 0..<512 where small[index] > 0 { count += 1 }
    return count
  }

  var smallLeaves: UInt64 {
    var count: UInt64 = 0
    for index in 0..<512 { count += UInt64(small[index]) }
    return count
  }
}
