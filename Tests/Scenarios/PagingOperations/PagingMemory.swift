internal import TesseraFrames
internal import TesseraHardware

/// 4 KiB of memory that pages map, and some of its words.
struct PagingMemory: BitwiseCopyable {
  var address: UInt64 = 0
  /// How many pages map it, and how many references the walk has besides.
  var ownerCount = 0
  /// The block that it is a part of; nil if it is a frame of 4 KiB.
  var block: Int?
  /// Where the second of the words is.
  var middle = 8
  var words = [3 of UInt64](repeating: 0)

  func offset(_ word: Int) -> Int { word == 0 ? 0 : word == 1 ? middle : 4088 }
}

/// All memory that the pages of a walk map.
struct PagingMemories {
  /// As many as all pages of five spaces, and what the walk itself has.
  static var size: Int { 5 * PagingLayout.pageCount + 24 }
  static var blockCount: Int { 48 }

  /// A frame of 2 MiB, and how much of it is mapped.
  struct Block: BitwiseCopyable {
    var address: UInt64 = 0
    var partCount = 0
    /// How many leaves map parts of it, as counted by a check.
    var leafCount: UInt64 = 0
  }

  private let entries: ModelArray<PagingMemory>
  let blocks: ModelArray<Block>
  private var next = 0
  /// How many frames of 4 KiB are mapped or held.
  private(set) var frameCount: UInt64 = 0

  init(_ entries: ModelArray<PagingMemory>, _ blocks: ModelArray<Block>) {
    self.entries = entries
    self.blocks = blocks
  }

  subscript(place: Int) -> PagingMemory {
    get { entries[place] }
    nonmutating set { entries[place] = newValue }
  }

  /// Adds `memory`, which has its first owner. Returns its place.
  mutating func add(_ memory: PagingMemory) -> Int {
    while entries[next].ownerCount > 0 { next = (next + 1) % Self.size }
    entries[next] = memory
    entries[next].ownerCount = 1
    if let block = memory.block { blocks[block].partCount += 1 } else { frameCount += 1 }
    return next
  }

  mutating func share(_ place: Int) { entries[place].ownerCount += 1 }

  mutating func release(_ place: Int) {
    entries[place].ownerCount -= 1
    guard entries[place].ownerCount == 0 else { return }
    if let block = entries[place].block { blocks[block].partCount -= 1 } else { frameCount -= 1 }
  }

  /// Adds a frame of 2 MiB, of which nothing is mapped yet. Returns nil if there are too many.
  func addBlock(_ address: UInt64) -> Int? {
    for number in 0..<Self.blockCount where blocks[number].partCount == 0 {
      blocks[number] = Block(address: address)
      return number
    }
    return nil
  }

  /// Whether there can be another frame of 2 MiB.
  var hasRoomForBlock: Bool {
    for number in 0..<Self.blockCount where blocks[number].partCount == 0 { return true }
    return false
  }

  /// How many frames of 4 KiB all blocks have.
  var blockFrameCount: UInt64 {
    var count: UInt64 = 0
    for number in 0..<Self.blockCount where blocks[number].partCount > 0 { count += 512 }
    return count
  }

  /// Whether the memory at `place` has no other owner than a leaf that maps it.
  ///
  /// Of a block the count is asked: the model does not know into how many leaves it is divided.
  func hasOneOwner(_ place: Int) -> Bool {
    guard let block = entries[place].block else { return entries[place].ownerCount == 1 }
    return FrameTable.slot(number: blocks[block].address >> 12).count == 1
  }
}
