internal import TesseraFrames
internal import TesseraHardware

/// The frames that a run maps, how often each is mapped, and the handles that the run has to
/// some.
struct FrameAccounting: ~Copyable {
  /// How many frames there can be.
  static var size: Int { 64 }

  struct Entry: BitwiseCopyable {
    var address = PhysicalAddress.zero
    var mappingCount: UInt64 = 0
    var hasHandle = false

    var isUsed: Bool { mappingCount > 0 || hasHandle }
  }

  private let entries: ModelArray<Entry>
  private var handles = InlineArray<64, HeldFrame?> { _ in nil }

  init(_ entries: ModelArray<Entry>) { self.entries = entries }

  /// What is at `place`.
  func entry(_ place: Int) -> Entry { entries[place] }

  /// How many frames are in use.
  var usedCount: UInt64 {
    var count: UInt64 = 0
    for place in 0..<Self.size where entry(place).isUsed { count += 1 }
    return count
  }

  /// A place where no frame is, from `start` on in a circle; nil if there is none.
  func freePlace(from start: Int = 0) -> Int? {
    for offset in 0..<Self.size {
      let place = (start + offset) % Self.size
      if !entry(place).isUsed { return place }
    }
    return nil
  }

  /// How many places are free.
  var freeCount: Int { Self.size - Int(usedCount) }

  /// A place with a handle, from `start` on in a circle; nil if there is none.
  func handlePlace(from start: Int) -> Int? {
    for offset in 0..<Self.size {
      let place = (start + offset) % Self.size
      if entry(place).hasHandle { return place }
    }
    return nil
  }

  /// Puts a new frame at `place`, which is free.
  mutating func keep(_ frame: consuming Frame<PlainMemory>, at place: Int) {
    entries[place] = Entry(address: frame.address, hasHandle: true)
    handles[place] = HeldFrame(frame)
  }

  /// Another handle to the frame at `place`, which has one.
  func share(_ place: Int) -> Frame<PlainMemory>? {
    switch handles[place] {
    case .some(let held): held.frame.share()
    case .none: nil
    }
  }

  /// Puts a handle to the frame at `place`, which is mapped, there.
  mutating func addHandle(_ frame: consuming Frame<PlainMemory>, at place: Int) {
    entries[place].hasHandle = true
    handles[place] = HeldFrame(frame)
  }

  mutating func dropHandle(_ place: Int) {
    entries[place].hasHandle = false
    handles[place] = nil
  }

  /// Says that the frame at `address`, which has no entry yet, is mapped once. Returns its place.
  mutating func noteNew(_ address: PhysicalAddress) -> Int? {
    guard let place = freePlace() else { return nil }
    entries[place] = Entry(address: address, mappingCount: 1)
    return place
  }

  mutating func addMapping(_ place: Int) { entries[place].mappingCount += 1 }

  mutating func removeMapping(_ place: Int) { entries[place].mappingCount -= 1 }

  /// Whether every frame has as many owners as it has mappings and handles.
  var countsAgree: Bool {
    for place in 0..<Self.size where entry(place).isUsed {
      let entry = entries[place]
      let slot = FrameTable.slot(number: entry.address.frameNumber)
      if slot.count != entry.mappingCount + (entry.hasHandle ? 1 : 0) { return false }
    }
    return true
  }
}
