extension BuddyZone {
  /// Calls `report` once for each violated invariant of the free lists. Visits every free frame.
  ///
  /// Nothing else may use the allocator meanwhile.
  func checkInvariants(_ report: (StaticString) -> Void) {
    var counted: UInt64 = 0
    for order in 0..<Self.orderCount {
      let isNonEmpty = nonEmptyOrders >> UInt32(order) & 1 == 1
      if isNonEmpty != (firstBlock(order: order) != nil) {
        report("bit of an order does not match its list")
      }
      var previous: FrameSlotReference?
      var next = firstBlock(order: order)
      while let slot = next, counted <= freeFrameCount {
        if slot.freeLinks.previous != previous {
          report("free block does not link to its predecessor")
        }
        checkBlock(FrameTable.number(of: slot), order: order, report)
        counted += 1 << UInt64(order)
        previous = slot
        next = slot.freeLinks.next
      }
    }
    if counted != freeFrameCount {
      report("free frame count does not match the free blocks")
    }
  }

  private func checkBlock(
    _ number: UInt64, order: Int, _ report: (StaticString) -> Void
  ) {
    let size: UInt64 = 1 << UInt64(order)
    if number % size != 0 { report("free block is not aligned to its size") }
    guard number >= start, number + size <= min(end, FrameTable.frameCount) else {
      report("free block lies outside its zone")
      return
    }
    for frame in number..<number + size {
      let slot = FrameTable.slot(number: frame)
      let expected: FrameKind = frame == number ? .freeBlock(order: order) : .plain
      if slot.kind != expected { report("frame of a free block has the wrong kind") }
      if slot.count != ReferenceCount.free { report("frame of a free block is not free") }
    }
    let buddy = number ^ size
    guard order < Self.orderCount - 1, buddy >= start,
      buddy + size <= min(end, FrameTable.frameCount)
    else { return }
    if FrameTable.slot(number: buddy).kind == .freeBlock(order: order) {
      report("two free buddies are not merged")
    }
  }
}
