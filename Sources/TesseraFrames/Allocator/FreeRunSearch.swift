internal import TesseraHardware

/// A search of a zone by address for contiguous free frames, across the borders of blocks.
///
/// The free lists answer most requests at once, but not all. A run of free frames that is no block
/// itself, such as 600 of 1,023, is in no list, and a list says nothing of addresses, so that a
/// block below a limit can be anywhere in it. This search finds either, and is what a request falls
/// back on before it fails.
///
/// It stops after a bounded number of slots, so that its caller can release the lock and let
/// interrupts in. Nothing is remembered between two pieces but the position; whatever block has
/// come to contain it meanwhile is found first. So frames that stay free during the whole search
/// are found, and those that are freed or allocated meanwhile may be missed.
///
/// Within any run that suffices there is a block of at least `1 << order` frames. Only multiples of
/// that size are visited; from a block that starts there, the run is followed in both directions.
struct FreeRunSearch {
  /// The number of slots that a piece visits, to which the last run adds at most two per order
  /// and zone.
  static var slotCountPerPiece: Int { 1024 }

  private let frameCount: UInt64
  /// In frames, a power of two.
  private let alignment: UInt64
  /// The number of the frame at or before which the run ends.
  private let limit: UInt64
  /// The order that some block of the run has at least.
  private let order: Int
  /// The number of the frame at which the search continues.
  private var position: UInt64
  /// The number of the frame after the last of the zone.
  private let end: UInt64
  /// How many slots this piece has still to visit.
  private var slotsLeft = 0

  /// What a piece of the search came to.
  enum Progress {
    /// The number of the first frame.
    case found(UInt64)
    case unfinished
    /// There is no such run.
    case exhausted
  }

  /// Searches `zone` for a run of `shape` that ends at or before frame `limit`. It may extend
  /// into the next zones.
  init(for shape: FreeRunShape, limit: UInt64, in zone: borrowing BuddyZone) {
    frameCount = shape.frameCount
    alignment = shape.alignment
    order = shape.guaranteedOrder
    self.limit = min(limit, FrameTable.frameCount)
    position = zone.start
    end = min(zone.end, self.limit)
  }

  /// Continues the search by one piece. Under the lock.
  mutating func advance() -> Progress {
    slotsLeft = Self.slotCountPerPiece
    moveToBlock()
    let stride: UInt64 = 1 &<< UInt64(order)
    while position < end {
      guard slotsLeft > 0 else { return .unfinished }
      if let block = block(at: position), block >= order {
        let start = runStart(endingAt: position)
        let next = runEnd(from: position)
        if let number = fitting(from: start, to: next) { return .found(number) }
        position = next
      } else {
        position += 1
      }
      // Numbers of frames have 40 bits and an order is below 31, so nothing here can wrap.
      position = (position &+ stride &- 1) & ~(stride &- 1)
    }
    return .exhausted
  }

  /// Moves the position back to the start of the block that contains it, if one does.
  ///
  /// When the search was there last, the frames before were not free.
  private mutating func moveToBlock() {
    for larger in order &+ 1..<BuddyZone.orderCount {
      let head = position & ~(1 &<< UInt64(larger) &- 1)
      if head < position, block(at: head) == larger {
        position = head
        return
      }
    }
  }

  /// The order of the free block that starts with frame `number`, or nil.
  private mutating func block(at number: UInt64) -> Int? {
    slotsLeft -= 1
    guard number < FrameTable.frameCount else { return nil }
    return FrameTable.slot(number: number).kind.freeBlockOrder
  }

  /// The start of the free frames directly before frame `number`, a multiple of `1 << order`.
  ///
  /// They are in smaller blocks: from a larger one the search would have come here. Free buddies
  /// are merged, so that the blocks become smaller and smaller.
  private mutating func runStart(endingAt number: UInt64) -> UInt64 {
    var start = number
    for smaller in (0..<order).reversed() {
      let size: UInt64 = 1 &<< UInt64(smaller)
      if start >= size, block(at: start &- size) == smaller { start -= size }
    }
    return start
  }

  /// The end of the free frames from the block at frame `number` on, or where there are enough.
  private mutating func runEnd(from number: UInt64) -> UInt64 {
    var next = number
    while next < limit, let order = block(at: next) { next += 1 &<< UInt64(order) }
    return next
  }

  /// The number of the first frame of the run between frames `start` and `next`, if it fits.
  private func fitting(from start: UInt64, to next: UInt64) -> UInt64? {
    let first = (start &+ alignment &- 1) & ~(alignment &- 1)
    let last = min(next, limit)
    return first <= last && frameCount <= last &- first ? first : nil
  }
}

/// How many frames a run has, and how it is aligned.
struct FreeRunShape {
  let frameCount: UInt64
  /// In frames, a power of two.
  let alignment: UInt64

  /// The order of the smallest block that contains any such run from its start.
  var order: Int {
    max(64 - (frameCount - 1).leadingZeroBitCount, alignment.trailingZeroBitCount)
  }

  /// The order that some block of each such run has at least.
  ///
  /// Of `frameCount` frames, `1 << n` are aligned to their number if there are `(2 << n) - 1` of
  /// them, or if the first is. Free frames that are aligned to their number are in one block.
  var guaranteedOrder: Int {
    let anywhere = 62 - (frameCount + 1).leadingZeroBitCount
    let atStart = min(alignment.trailingZeroBitCount, 63 - frameCount.leadingZeroBitCount)
    return min(max(anywhere, atStart), BuddyZone.orderCount - 1)
  }
}
