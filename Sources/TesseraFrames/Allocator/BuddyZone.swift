internal import TesseraHardware

/// A stretch of physical memory with the free blocks in it.
///
/// A block is 2^order frames that start at a multiple of their number. The blocks of one order are
/// in a list whose links lie in the slots of their first frames; nothing is ever written to free
/// memory. Two free blocks that together would be a block of the zone are always merged.
struct BuddyZone: ~Copyable {
  /// One more than the highest order: blocks of up to 2^30 frames, 4 TiB.
  static var orderCount: Int { 31 }

  /// The number of the first frame of the zone.
  let start: UInt64
  /// The number of the frame after the last.
  let end: UInt64
  /// How many frames are in the zone's free blocks.
  private(set) var freeFrameCount: UInt64 = 0

  /// The first block of each order.
  private var heads = [31 of FrameSlotReference?](repeating: nil)
  /// Bit n is set if there are blocks of order n.
  private var nonEmptyOrders: UInt32 = 0

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
  /// Adds the block of 2^`order` frames from frame `number` on, merged with its free neighbours.
  ///
  /// The count of each of its frames is `free` and none of them is marked.
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

  /// Takes a block of 2^`order` frames that ends at or before frame `limit`, or returns nil.
  ///
  /// The block's frames are `free` and unmarked; they are the caller's to put to use or to free.
  mutating func take(order: Int, limit: UInt64) -> UInt64? {
    guard let (slot, found) = findBlock(order: order, limit: limit) else { return nil }
    let number = FrameTable.number(of: slot)
    unlink(slot, order: found)
    freeFrameCount -= 1 << UInt64(order)
    linkHalves(above: number, from: found, downTo: order)
    return number
  }

  /// The smallest block from which 2^`order` frames before `limit` can be taken, and its order.
  ///
  /// Changes nothing: what is not mutating is given a copy of the lists' heads each time.
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
  /// The first one is as good as any in a zone that lies before the limit as a whole. Otherwise
  /// this looks through the list. Changes nothing, as `findBlock`.
  private mutating func firstBlock(order: Int, room: UInt64, limit: UInt64) -> FrameSlotReference? {
    var next = heads[order]
    while let slot = next {
      if end <= limit || FrameTable.number(of: slot) + room <= limit { return slot }
      next = slot.freeLinks.next
    }
    return nil
  }

  /// Takes frame `number` out of the free block that it is in. Says whether there was one.
  mutating func extract(_ number: UInt64) -> Bool {
    for order in 0..<Self.orderCount {
      let head = number & ~((1 << UInt64(order)) - 1)
      guard head >= start else { return false }
      let slot = FrameTable.slot(number: head)
      guard slot.kind == .freeBlock(order: order) else { continue }
      unlink(slot, order: order)
      freeFrameCount -= 1
      splitAround(number, from: head, order: order)
      return true
    }
    return false
  }
}

extension BuddyZone {
  /// Links the upper halves that are left when the block of order `high` at `number` is halved
  /// until its first part has order `low`.
  private mutating func linkHalves(above number: UInt64, from high: Int, downTo low: Int) {
    var order = high
    while order > low {
      order -= 1
      link(FrameTable.slot(number: number + 1 << UInt64(order)), order: order)
    }
  }

  /// Links the parts that are left of the block of `order` at `head` when `number` is taken out.
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

  /// Puts the block of `order` at `slot` before the others.
  private mutating func link(_ slot: FrameSlotReference, order: Int) {
    let next = heads[order]
    slot.freeLinks = FrameLinks(next: next, previous: nil)
    if let next { next.freeLinks.previous = slot }
    slot.setKind(.freeBlock(order: order))
    heads[order] = slot
    nonEmptyOrders |= 1 << UInt32(order)
  }

  /// Takes the block of `order` at `slot` out of its list and unmarks it.
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

extension BuddyZone {
  /// Calls `report` once for each rule of the free lists that does not hold. Visits every free
  /// frame.
  ///
  /// Nothing else may use the allocator meanwhile.
  func checkInvariants(_ report: (StaticString) -> Void) {
    var counted: UInt64 = 0
    for order in 0..<Self.orderCount {
      let isMarked = nonEmptyOrders >> UInt32(order) & 1 == 1
      if isMarked != (heads[order] != nil) { report("an order is marked exactly if it has blocks") }
      var previous: FrameSlotReference?
      var next = heads[order]
      while let slot = next, counted <= freeFrameCount {
        if slot.freeLinks.previous != previous { report("a free block links to the one before") }
        checkBlock(FrameTable.number(of: slot), order: order, report)
        counted += 1 << UInt64(order)
        previous = slot
        next = slot.freeLinks.next
      }
    }
    if counted != freeFrameCount {
      report("the free blocks have as many frames as the zone counts")
    }
  }

  private func checkBlock(
    _ number: UInt64, order: Int, _ report: (StaticString) -> Void
  ) {
    let size: UInt64 = 1 << UInt64(order)
    if number % size != 0 { report("a free block starts at a multiple of its size") }
    guard number >= start, number + size <= min(end, FrameTable.frameCount) else {
      report("a free block lies in its zone")
      return
    }
    for frame in number..<number + size {
      let slot = FrameTable.slot(number: frame)
      let expected: FrameKind = frame == number ? .freeBlock(order: order) : .plain
      if slot.kind != expected { report("only the first frame of a free block is marked") }
      if slot.count != ReferenceCount.free { report("the frames of a free block are free") }
    }
    let buddy = number ^ size
    guard order < Self.orderCount - 1, buddy >= start,
      buddy + size <= min(end, FrameTable.frameCount)
    else { return }
    if FrameTable.slot(number: buddy).kind == .freeBlock(order: order) {
      report("two free blocks that make a larger one are merged")
    }
  }
}
