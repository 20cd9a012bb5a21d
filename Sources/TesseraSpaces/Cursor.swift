public import TesseraFrames
public import TesseraHardware
public import TesseraPageTables

/// A position in a locked range of an address space.
///
/// Only one cursor holds a page at a time. Destroying it pays the invalidations that its changes
/// enqueue, lets the locks go, and then lets go of what was unmapped: nothing of that can be forgotten.
/// Whatever is refused is refused before anything has changed. Operations act on the bytes from the
/// position on and move past them; reaching beyond the range, or acting on parts of pages, traps.
public struct Cursor: ~Copyable, ~Escapable {
  var state: CursorState
  var isKernel: Bool { state.isKernel }

  /// Locks `range` of the tables under `root`, which outlives the cursor.
  @inline(__always)
  @_lifetime(immortal)
  init(
    over range: Range<VirtualAddress>, of root: PageTableNode, isKernel: Bool,
    reservesNodes: Bool
  ) throws(RangeError) {
    guard !range.isEmpty else { throw .empty }
    guard range.lowerBound.isAligned(to: .fourKiB), range.upperBound.isAligned(to: .fourKiB) else {
      throw .notAligned
    }
    guard reservesNodes else {
      self.init(locking: range, of: root, isKernel: isKernel, reserve: NodeReservation())
      return
    }
    do throws(MapError) {
      let reserve = try NodeReservation(
        from: range.lowerBound.rawValue, to: range.upperBound.rawValue - 1)
      self.init(locking: range, of: root, isKernel: isKernel, reserve: reserve)
    } catch { throw .outOfFrames }
  }

  /// Locks `range`, which has been checked, of the tables under `root`.
  @inline(__always)
  @_lifetime(immortal)
  init(
    locking range: Range<VirtualAddress>, of root: PageTableNode, isKernel: Bool,
    reserve: consuming NodeReservation
  ) {
    state = CursorState(
      locking: root, from: range.lowerBound.rawValue,
      byteCount: range.upperBound.byteCount(from: range.lowerBound), isKernel: isKernel,
      reserve: reserve)
  }

  @inline(__always)
  @_lifetime(immortal)
  init(state: consuming CursorState) { self.state = state }

  /// Gives the state away, and with it the duty to destroy it.
  consuming func takeState() -> CursorState { state }
}

extension Cursor {
  /// The first byte of the page that the next operation acts on; at the end, the byte after the
  /// range.
  public var address: VirtualAddress { VirtualAddress(state.address) }

  /// Whether the position is after the last page.
  public var isAtEnd: Bool { state.isAtEnd }

  /// Moves to `address`. Throws `notAligned`, or `outOfBounds` if it is neither in the range nor
  /// its end.
  public mutating func jump(to address: VirtualAddress) throws(RangeError) {
    try state.jump(to: address.rawValue)
  }

  /// Moves back to the start.
  mutating func rewind() { state.rewind() }

  /// The byte after what the entry at the position spans.
  var endOfPage: VirtualAddress { VirtualAddress(state.endOfEntry) }

  /// What is at the position, as far as one entry reaches. Does not move. Throws `outOfBounds` at
  /// the end.
  public func query() throws(RangeError) -> PageRun { try state.query() }

  /// Moves to the first mapped page in the next `byteCount` bytes, or past them if there is none,
  /// and says whether there was one.
  public mutating func findNext(within byteCount: UInt64) -> Bool { state.findNext(byteCount) }

  /// Calls `body` with what is in the next `byteCount` bytes, and moves past them.
  ///
  /// Pages that follow each other come in one run if all is the same of them, and their memory
  /// follows each other too. Large pages are not put together with others.
  @inline(__always)
  public mutating func forEachRun(within byteCount: UInt64, _ body: (PageRun) -> Void) {
    state.forEachRun(byteCount, body)
  }
}

extension Cursor {
  /// Maps `frame`, of whatever size, at the position, which then owns the handle's count.
  ///
  /// Traps if the position is not a multiple of the frame's size, or the range has less room.
  /// Throws `alreadyMapped` or `outOfFrames`; `frame` is then still there.
  @inline(__always)
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, as property: PageProperty
  ) throws(MapError) {
    if put(frame?.slot, property) {
      _ = frame.take()?.relinquishSlot()
    } else {
      try mapOther(&frame, property)
    }
  }

  @inline(__always)
  private mutating func put(_ slot: FrameSlotReference?, _ property: PageProperty) -> Bool {
    guard let slot, slot.kind.isSmall else { return false }
    return state.put(slot.address, property)
  }

  @inline(never)
  private mutating func mapOther<Metadata: UntypedContents & ~Copyable>(
    _ frame: inout Frame<Metadata>?, _ property: PageProperty
  ) throws(MapError) {
    guard let address = frame?.address, let size = frame?.size else {
      panic("a cursor was given no frame to map")
    }
    try map(address, size, property)
    _ = frame.take()?.relinquishSlot()
  }

  /// Maps the frame of `size` at `address`, whose count the caller then gives up.
  @inline(never)
  private mutating func map(
    _ address: PhysicalAddress, _ size: PageSize, _ property: PageProperty
  ) throws(MapError) {
    try state.map(
      address, LeafTemplate(checked(property), size: size, ownsFrame: true), size: size)
  }

  /// Maps the frames of `segment` from the position on, which then own its counts.
  ///
  /// Throws `alreadyMapped` or `outOfFrames`; `segment` is then still there.
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    _ segment: inout Segment<Metadata>?, as property: PageProperty
  ) throws(MapError) {
    guard let taken = segment.take() else { panic("a cursor was given no segment to map") }
    let frameCount = taken.frameCount
    let byteCount = taken.byteCount
    let first = taken.relinquishFirst()
    do throws(MapError) {
      try state.mapRange(
        first.address, byteCount: byteCount,
        LeafTemplate(checked(property), size: .fourKiB, ownsFrame: true))
    } catch {
      // SAFETY: the counts that were relinquished above, which no entry has taken over.
      segment = unsafe Segment(adopting: first, frameCount: frameCount)
      throw error
    }
  }

  /// Maps `pageCount` frames from the position on: each time the next one that `supply` returns,
  /// whose count the mapping then owns.
  ///
  /// Throws `alreadyMapped` or `outOfFrames` before it asks for the first frame. `supply` must not
  /// open a cursor over the same pages.
  @inline(__always)
  public mutating func map<Metadata: UntypedContents & ~Copyable>(
    pageCount: Int, as property: PageProperty, _ supply: () -> Frame<Metadata>
  ) throws(MapError) {
    require(pageCount >= 0 && pageCount < 1 << 51, "a cursor maps a number of pages that exists")
    try state.mapEach(
      UInt64(pageCount) * PageSize.fourKiB.byteCount,
      LeafTemplate(checked(property), size: .fourKiB, ownsFrame: true)
    ) { supply().relinquishSlot().address }
  }

  /// Maps `byteCount` bytes of a device's memory, or of other memory that has no owners, from
  /// `address` on, in the largest pages that fit.
  ///
  /// The caller keeps the memory for as long as it is mapped. Throws `alreadyMapped` or
  /// `outOfFrames`. Traps if `address` is not a multiple of 4096 or lies beyond what the processor
  /// can address.
  @unsafe public mutating func mapDevice(
    _ address: PhysicalAddress, byteCount: UInt64, as property: PageProperty
  ) throws(MapError) {
    require(address.isAligned(to: .fourKiB), "device memory is mapped in whole pages", address)
    require(
      address.advanced(byChecked: byteCount).map { $0 <= PagingMode.current.physicalAddressLimit }
        ?? false, "device memory lies beyond what the processor can address", address)
    try state.mapLargest(address, byteCount: byteCount, checked(property))
  }

  /// Maps `frame` in the place of what is mapped at the position, which is let go once no processor
  /// can reach it.
  ///
  /// Throws `notMapped` or `outOfFrames`; `frame` is then still there.
  public mutating func replace<Metadata: UntypedContents & ~Copyable>(
    with frame: inout Frame<Metadata>?, as property: PageProperty
  ) throws(MapError) {
    guard let taken = frame.take() else { panic("a cursor was given no frame to map") }
    let slot = taken.relinquishSlot()
    let size = slot.kind.size
    do throws(MapError) {
      try state.replace(
        slot.address, LeafTemplate(checked(property), size: size, ownsFrame: true),
        size: size)
    } catch {
      // SAFETY: the count that was relinquished above, which no entry has taken over.
      frame = unsafe Frame(adopting: slot)
      throw error
    }
  }

  /// Unmaps all in the next `byteCount` bytes. Returns how many of them were mapped.
  ///
  /// Throws `outOfFrames` if a large page that lies only partly in them cannot be split.
  @inline(__always)
  @discardableResult
  public mutating func unmap(_ byteCount: UInt64) throws(MapError) -> UInt64 {
    try state.unmap(byteCount)
  }

  /// Gives every mapped page in the next `byteCount` bytes the rights `access`. Returns how many
  /// bytes are mapped there. Throws as `unmap`.
  @discardableResult
  public mutating func protect(
    _ byteCount: UInt64, to access: PageAccess
  ) throws(MapError) -> UInt64 {
    try state.protect(byteCount, LeafChange(to: access))
  }

  /// Makes the pages in the next `byteCount` bytes look as if nobody had used them, so that
  /// `PageProperty.isAccessed` tells which are used from now on. Returns how many bytes the pages
  /// have that were.
  ///
  /// A large page that lies only partly in the range is one page.
  @discardableResult
  public mutating func clearAccessed(_ byteCount: UInt64) -> UInt64 {
    state.clear(PageTableEntry.accessed, byteCount)
  }

  /// The same for `PageProperty.isDirty`, and so for writes alone.
  @discardableResult
  public mutating func clearDirty(_ byteCount: UInt64) -> UInt64 {
    state.clear(PageTableEntry.dirty, byteCount)
  }

  /// Makes large pages, where it can, of small ones in the next `byteCount` bytes. Returns how
  /// many.
  ///
  /// 512 pages become one if they show memory that follows each other, aligned, with the same
  /// rights, whose frames nobody else shares.
  @discardableResult
  public mutating func collapse(_ byteCount: UInt64) -> Int { state.promote(byteCount) }

  /// Gives every page in the next `byteCount` bytes, none of which is mapped, the status `payload`:
  /// a number that means what the kernel wants, and that `query` returns.
  ///
  /// Throws `alreadyMapped` or `outOfFrames`.
  public mutating func setStatus(_ byteCount: UInt64, to payload: UInt32) throws(MapError) {
    try state.mark(byteCount, payload)
  }

  /// Shows in the next `byteCount` bytes what `source` shows in its next ones, for a fork: frames
  /// are shared, and become read-only in both.
  ///
  /// Throws `alreadyMapped` if a page here is mapped or has a status, and `outOfFrames`. Traps if
  /// one cursor is the kernel's and the other is not.
  public mutating func copy(from source: inout Cursor, _ byteCount: UInt64) throws(MapError) {
    require(source.isKernel == isKernel, "pages are copied within one half of the address space")
    try state.copy(from: &source.state, byteCount)
  }

  /// `property`, which must be for the half of the address space that the cursor is in.
  @inline(__always)
  private func checked(_ property: PageProperty) -> PageProperty {
    require(
      property.isUser != isKernel,
      "a program's pages are user pages, and the kernel's are not")
    return isKernel ? property.with(isGlobal: PagingMode.current.hasGlobalPages) : property
  }
}
