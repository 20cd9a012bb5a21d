internal import TesseraHardware

/// A range of physical memory, and the free blocks in it: a binary buddy system.
///
/// A block of order n is 2^n contiguous frames whose first frame number is a multiple of 2^n. Each
/// block has one buddy, the block next to it with which it forms a block of order n + 1; their
/// frame numbers differ in bit n alone. A request is served from the smallest block that is large
/// enough, which is halved as often as needed, each time freeing the upper half. A block that is
/// freed is merged with its buddy if that is free as a whole, then with the buddy of the result,
/// and so on, so that two free buddies never coexist within a zone. Both directions take at most
/// one step per order.
///
/// Free blocks of the same order are in a doubly linked list, so that a buddy can be removed from
/// the middle. The links are in the slots of the blocks' first frames. Free memory itself is never
/// written, hence a stray write to it cannot corrupt the allocator. The kind of the first frame
/// stores the block's order, which is how a block recognizes a free buddy. The other frames of a
/// block have the kind `plain`, and all have the count `free`.
struct BuddyZone: ~Copyable {
  /// One more than the highest order: blocks have up to 2^30 frames, 4 TiB.
  static var orderCount: Int { 31 }
  /// How many blocks of an order a request with a limit within the zone visits.
  static var blockCountPerOrder: Int { 16 }

  /// The number of the first frame of the zone.
  let start: UInt64
  /// The number of the frame after the last.
  let end: UInt64
  /// The number of frames in free blocks.
  private(set) var freeFrameCount: UInt64 = 0

  /// The first block of each order.
  private var heads = [31 of FrameSlotReference?](repeating: nil)
  /// Bit n is set if there are blocks of order n.
  private(set) var nonEmptyOrders: UInt32 = 0

  init(from start: UInt64, to end: UInt64) {
    self.start = start
    self.end = end
  }

  /// The order of the largest free block, or nil if there is none.
  var largestOrder: Int? {
    nonEmptyOrders == 0 ? nil : 31 - nonEmptyOrders.leadingZeroBitCount
  }

  /// The first free block of `order`.
  func firstBlock(order: Int) -> FrameSlotReference? { heads[order] }
}

extension BuddyZone {
  /// Frees the block of 2^`order` frames that starts with frame `number`, merging it with free
  /// buddies.
  ///
  /// All of its frames have the count `free` and the kind `plain`.
  mutating func free(_ number: UInt64, order: Int) {
    var number = number
    var order = order
    // Frame numbers have 40 bits and an order is below 31, so nothing here can wrap.
    freeFrameCount += 1 &<< UInt64(order)
    let limit = min(end, FrameTable.frameCount)
    while order < Self.orderCount - 1 {
      let size: UInt64 = 1 &<< UInt64(order)
      let buddy = number ^ size
      guard buddy >= start, buddy &+ size <= limit else { break }
      let slot = FrameTable.slot(number: buddy)
      guard slot.kind == .freeBlock(order: order) else { break }
      unlink(slot, order: order)
      number &= ~size
      order += 1
    }
    link(FrameTable.slot(number: number), order: order)
  }

  /// Allocates a block of 2^`order` frames that ends at or before frame `limit`. Returns the number
  /// of its first frame, or nil if there is none.
  ///
  /// Its frames still have the count `free` and the kind `plain`.
  mutating func allocate(order: Int, limit: UInt64) -> UInt64? {
    guard let (slot, found) = findBlock(order: order, limit: limit) else { return nil }
    let number = FrameTable.number(of: slot)
    unlink(slot, order: found)
    freeFrameCount -= 1 << UInt64(order)
    linkHalves(above: number, from: found, downTo: order)
    return number
  }

  /// Finds the smallest block whose first 2^`order` frames lie before frame `limit`.
  ///
  /// Mutating although it changes nothing, because a nonmutating method is passed a copy of
  /// `heads`.
  private mutating func findBlock(order: Int, limit: UInt64) -> (FrameSlotReference, Int)? {
    guard order < Self.orderCount else { return nil }
    var candidates = nonEmptyOrders & ~((1 << UInt32(order)) - 1)
    while candidates != 0 {
      let found = candidates.trailingZeroBitCount
      if let slot = firstBlock(order: found, room: 1 << UInt64(order), limit: limit) {
        return (slot, found)
      }
      candidates &= candidates - 1
    }
    return nil
  }

  /// The first block of `order` whose first `room` frames lie before frame `limit`.
  ///
  /// If the limit divides the zone, visits no more than a few blocks; `FreeRunSearch` finds the
  /// others. Mutating for the same reason as `findBlock`.
  private mutating func firstBlock(order: Int, room: UInt64, limit: UInt64) -> FrameSlotReference? {
    var next = heads[order]
    if end <= limit { return next }
    var left = Self.blockCountPerOrder
    while let slot = next, left > 0 {
      if FrameTable.number(of: slot) + room <= limit { return slot }
      next = slot.freeLinks.next
      left -= 1
    }
    return nil
  }

  /// Removes frame `number` from the free block that contains it. Returns whether there was one.
  mutating func remove(_ number: UInt64) -> Bool {
    guard let block = removeBlock(containing: number) else { return false }
    freeFrameCount += 1 << UInt64(block.order)
    freeFrameCount -= 1
    splitAround(number, from: block.start, order: block.order)
    return true
  }

  /// Removes the free block that contains frame `number`. Returns its first frame and its order, or
  /// nil if there is none.
  mutating func removeBlock(containing number: UInt64) -> (start: UInt64, order: Int)? {
    for order in 0..<Self.orderCount {
      let head = number & ~((1 << UInt64(order)) - 1)
      guard head >= start else { return nil }
      let slot = FrameTable.slot(number: head)
      guard slot.kind == .freeBlock(order: order) else { continue }
      unlink(slot, order: order)
      freeFrameCount -= 1 << UInt64(order)
      return (head, order)
    }
    return nil
  }
}

extension BuddyZone {
  /// Links the upper halves that remain when the block of order `high` at `number` is halved until
  /// its first part has order `low`.
  private mutating func linkHalves(above number: UInt64, from high: Int, downTo low: Int) {
    var order = high
    while order > low {
      order -= 1
      link(FrameTable.slot(number: number + 1 << UInt64(order)), order: order)
    }
  }

  /// Links the parts that remain of the block of `order` at `head` when frame `number` is removed.
  private mutating func splitAround(_ number: UInt64, from head: UInt64, order: Int) {
    var head = head
    var order = order
    while order > 0 {
      order -= 1
      let middle = head + 1 << UInt64(order)
      if number < middle {
        link(FrameTable.slot(number: middle), order: order)
      } else {
        link(FrameTable.slot(number: head), order: order)
        head = middle
      }
    }
  }

  /// Adds the block of `order` at `slot` to the front of its list.
  private mutating func link(_ slot: FrameSlotReference, order: Int) {
    let next = heads[order]
    slot.freeLinks = FrameLinks(next: next, previous: nil)
    if let next { next.freeLinks.previous = slot }
    slot.setKind(.freeBlock(order: order))
    heads[order] = slot
    nonEmptyOrders |= 1 << UInt32(order)
  }

  /// Removes the block of `order` at `slot` from its list and makes its first frame `plain`.
  private mutating func unlink(_ slot: FrameSlotReference, order: Int) {
    let links = slot.freeLinks
    if let previous = links.previous {
      previous.freeLinks.next = links.next
    } else {
      heads[order] = links.next
      if links.next == nil { nonEmptyOrders &= ~(1 << UInt32(order)) }
    }
    if let next = links.next { next.freeLinks.previous = links.previous }
    slot.setKind(.plain)
  }
}
