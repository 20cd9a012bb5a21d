internal import Synchronization
public import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// Memory that the kernel sees at an address of its own, for as long as this lives.
///
/// The address is found in `KernelSpace.area`, with a page behind it that is never mapped, so that
/// running over the end faults. Destroying a mapping unmaps it, and lets go of the frames once no
/// processor can reach them.
public struct KernelMapping: ~Copyable, Sendable {
  /// Where the memory is.
  public let range: Range<VirtualAddress>

  /// Maps the frames of `segment`, which this then owns.
  ///
  /// Throws `outOfFrames` if there is no memory for page tables or the area is full; `segment` is
  /// then still there.
  public init<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty = .kernelReadWrite
  ) throws(MapError) {
    guard let byteCount = segment?.byteCount else { panic("a mapping was given no segment") }
    range = try KernelVirtualArea.withFreeRange(byteCount) { cursor throws(MapError) in
      try cursor.map(&segment, as: property)
    }
  }

  /// Maps `byteCount` bytes of a device's memory from `address` on.
  ///
  /// As `Cursor.mapDevice`. Throws as for frames.
  @unsafe public init(
    device address: PhysicalAddress, byteCount: UInt64, as property: PageProperty = .device
  ) throws(MapError) {
    range = try KernelVirtualArea.withFreeRange(byteCount) { cursor throws(MapError) in
      // SAFETY: the caller makes the same promise.
      try unsafe cursor.mapDevice(address, byteCount: byteCount, as: property)
    }
  }

  /// The first byte, for a pointer.
  public var address: VirtualAddress { range.lowerBound }

  deinit {
    var cursor = KernelVirtualArea.lock(range)
    do throws(MapError) {
      try cursor.unmap(range.upperBound.byteCount(from: range.lowerBound))
    } catch {
      // Nothing else is mapped in these pages, so no page has to be split.
      panic("a kernel mapping shares a page with another")
    }
  }
}

/// Finds free addresses in `KernelSpace.area`. The page tables are the record of what is free.
package enum KernelVirtualArea {
  /// Where the search begins: after what was mapped last, so that addresses are not used again
  /// soon.
  ///
  /// Access: atomic.
  private static let nextOffset = Atomic<UInt64>(0)

  /// Locks `range`, which lies in the area.
  @_lifetime(immortal)
  static func lock(_ range: Range<VirtualAddress>) -> Cursor {
    Cursor(locking: range, of: KernelSpace.root, isKernel: true, reserve: NodeReservation())
  }

  /// Finds free addresses for `byteCount` bytes and a page, locks them, and has `body` map there.
  package static func withFreeRange(
    _ byteCount: UInt64, _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(MapError) -> Range<VirtualAddress> {
    let size = KernelSpace.area.upperBound.byteCount(from: KernelSpace.area.lowerBound)
    let guardByteCount = PageSize.fourKiB.byteCount
    guard byteCount > 0, byteCount <= size - guardByteCount else { throw .outOfFrames }
    let needed = byteCount + guardByteCount
    // Ordering: relaxed; a hint. The locks of the range decide.
    let hint = nextOffset.load(ordering: .relaxed)
    var offset = hint
    var hasWrapped = false
    while true {
      if size - offset < needed {
        if hasWrapped { throw .outOfFrames }
        hasWrapped = true
        offset = 0
      }
      let start = VirtualAddress(KernelSpace.area.lowerBound.rawValue + offset)
      let obstacleEnd = try attempt(start, needed, body)
      guard let obstacleEnd else {
        // Ordering: relaxed; see above.
        nextOffset.store(offset + needed, ordering: .relaxed)
        return start..<VirtualAddress(start.rawValue + byteCount)
      }
      offset = obstacleEnd.byteCount(from: KernelSpace.area.lowerBound)
      if hasWrapped && offset > hint { throw .outOfFrames }
    }
  }

  /// Has `body` map at `start`, if nothing is mapped in the `needed` bytes from there on. Otherwise
  /// returns the end of what is.
  private static func attempt(
    _ start: VirtualAddress, _ needed: UInt64, _ body: (inout Cursor) throws(MapError) -> Void
  ) throws(MapError) -> VirtualAddress? {
    var cursor = lock(start..<VirtualAddress(start.rawValue + needed))
    if cursor.findNext(within: needed) { return cursor.endOfPage }
    cursor.rewind()
    try body(&cursor)
    return nil
  }
}
