internal import TesseraFrames
internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

/// What a page is supplied with: a frame, if it takes one, which is allocated before anything is
/// locked.
struct FrameSupply: ~Copyable {
  private let page: VirtualAddress
  private let options: SupplyOptions
  private let root: PageTableNode
  private var frame: UntypedFrame?
  private var isZeroed = false
  /// Whether a frame of 2 MiB is tried first.
  private var triesLarge: Bool

  init(for page: VirtualAddress, _ options: SupplyOptions, in root: PageTableNode) {
    self.page = page
    self.root = root
    self.options = options
    triesLarge = options.bringsLargePages && Self.block(of: page, .twoMiB) != nil
  }

  /// Allocates the frame that `need` takes. Returns false if there is none; the page may then still
  /// turn out to need none.
  mutating func allocate(for need: PageNeed) -> Bool {
    guard need.takesFrame else { return true }
    let isLarge = frame?.size == .twoMiB
    if frame != nil && (need == .copy ? !isLarge : isZeroed && isLarge == triesLarge) {
      return true
    }
    frame = nil
    isZeroed = need == .zeroedFrame
    if isZeroed && triesLarge {
      frame = try? Frame(allocating: PlainMemory(), FrameRequest(size: .twoMiB)).untyped()
      triesLarge = frame != nil
    }
    if frame == nil {
      let request = FrameRequest(isZeroed: isZeroed)
      frame =
        root.pagerNumber == 0
        ? try? Frame(allocating: PlainMemory(), request).untyped() : try? makePaged(request)
    }
    return frame != nil
  }

  /// Allocates a frame of 4 KiB that says what page it has, for a space that the pager pages.
  @inline(never)
  private func makePaged(_ request: FrameRequest) throws(TesseraError) -> UntypedFrame {
    SpacePager.prepareAllocation()
    return try PageMetadata.makeFrame(
      of: PageOwner(family: UInt32(truncatingIfNeeded: root.pagerNumber)),
      index: page.rawValue >> 12, request)
  }

  /// Gives the page what it takes to allow `access`, which was `need`, and stays the last of these.
  /// Returns nil if it turned out to be something else.
  ///
  /// Throws `outOfFrames`. Preemption is off.
  mutating func use(
    for access: MemoryAccess, _ need: inout PageNeed
  ) throws(TesseraError) -> PageSupply? {
    let isLarge = need == .zeroedFrame && frame?.size == .twoMiB
    let range = range(for: need, isLarge)
    var cursor = try Cursor(over: range, of: root, .added)
    try cursor.jump(to: page)
    need = cursor.need(of: access)
    if isLarge && need.takesFrame {
      guard need == .zeroedFrame, cursor.isInOneStatus else {
        triesLarge = false
        return nil
      }
      try cursor.jump(to: range.lowerBound)
    } else if need == .zeroedFrame && !isZeroed {
      return nil
    }
    return try cursor.supply(need, &frame)
  }

  /// The pages that are locked to supply `need`.
  private func range(for need: PageNeed, _ isLarge: Bool) -> Range<VirtualAddress> {
    if isLarge, let block = Self.block(of: page, .twoMiB) { return block }
    let count = need == .zeros ? options.zeroPageCount : 1
    let byteCount = UInt64(count) * PageSize.fourKiB.byteCount
    let start = page.alignedDown(to: byteCount)
    let end = min(VmSpace.end, start.advanced(unchecked: byteCount))
    return max(VmSpace.start, start)..<end
  }

  /// The pages of the block of `size` around `page`, if all of them are in the user range.
  private static func block(
    of page: VirtualAddress, _ size: PageSize
  ) -> Range<VirtualAddress>? {
    let start = page.alignedDown(to: size.byteCount)
    guard start >= VmSpace.start, VmSpace.end.byteCount(from: start) >= size.byteCount else {
      return nil
    }
    return start..<start.advanced(unchecked: size.byteCount)
  }
}
