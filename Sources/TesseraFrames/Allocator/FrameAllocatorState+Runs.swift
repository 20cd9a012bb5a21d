internal import TesseraHardware

// All of it under the lock.
extension FrameAllocatorState {
  /// Allocates contiguous frames of `shape` that end at or before frame `limit`, without a search.
  /// Returns the number of the first.
  ///
  /// Allocates a whole block and frees what exceeds the request.
  @inline(__always)
  mutating func allocateRun(_ shape: FreeRunShape, limit: UInt64) -> UInt64? {
    let order = shape.order
    guard let number = allocateBlock(order: order, limit: limit) else { return nil }
    let excess = (1 << UInt64(order)) - shape.frameCount
    if excess > 0 { freeRun(number + shape.frameCount, frameCount: excess) }
    return number
  }

  /// Allocates the `frameCount` frames from frame `number` on, all of which are free, and frees
  /// what exceeds them of their blocks.
  mutating func allocateFree(_ number: UInt64, frameCount: UInt64) {
    let end = number + frameCount
    var next = number
    while next < end {
      let block = removeBlock(containing: next)
      let blockEnd = block.start + 1 << UInt64(block.order)
      freeRun(block.start, frameCount: next - block.start)
      if blockEnd > end { freeRun(end, frameCount: blockEnd - end) }
      next = blockEnd
    }
  }

  /// Removes the free block that contains frame `number`, which is free.
  private mutating func removeBlock(containing number: UInt64) -> (start: UInt64, order: Int) {
    let block =
      if number >= high.start {
        high.removeBlock(containing: number)
      } else if number >= middle.start {
        middle.removeBlock(containing: number)
      } else {
        low.removeBlock(containing: number)
      }
    guard let block else { panic("a frame of a free run is not in a free block") }
    return block
  }

  /// A search for free frames of `shape` that end at or before frame `limit`, in the zone of number
  /// `zone`, or nil if there are certainly none. The low zone is number 0.
  func search(for shape: FreeRunShape, limit: UInt64, zone: Int) -> FreeRunSearch? {
    switch zone {
    case 0: Self.search(for: shape, limit: limit, in: low)
    case 1: Self.search(for: shape, limit: limit, in: middle)
    default: Self.search(for: shape, limit: limit, in: high)
    }
  }

  private static func search(
    for shape: FreeRunShape, limit: UInt64, in zone: borrowing BuddyZone
  ) -> FreeRunSearch? {
    let hasBlock = zone.nonEmptyOrders >> UInt32(shape.guaranteedOrder) != 0
    return hasBlock && zone.start < limit
      ? FreeRunSearch(for: shape, limit: limit, in: zone) : nil
  }

  /// The number and the start of the zone that frame `limit` divides, or nil if all memory of each
  /// zone lies before it or none does.
  func zone(dividedBy limit: UInt64) -> (number: Int, start: UInt64)? {
    guard limit < FrameTable.frameCount else { return nil }
    if limit > high.start { return (2, high.start) }
    if limit > middle.start && limit < middle.end { return (1, middle.start) }
    return limit < low.end ? (0, low.start) : nil
  }
}
