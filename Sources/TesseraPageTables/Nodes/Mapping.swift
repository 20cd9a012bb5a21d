internal import TesseraFrames
internal import TesseraHardware

/// The doors between counts and entries: what a handle held goes into an entry, and what an entry
/// held comes out, here and nowhere else.
enum Mapping {
  /// Lets go of what `entry` of a node of `level` owned: a child node, or a count of a frame.
  ///
  /// The caller has taken the entry out of its node, and adopts or releases it only once. No
  /// processor can reach what it led to any more.
  @inline(__always)
  @unsafe static func release(_ entry: PageTableEntry, at level: PagingLevel) {
    if entry.isLeaf {
      guard entry.isCounted, let size = level.pageSize else { return }
      let slot = FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).counting
      // SAFETY: the entry held a count of this frame.
      _ = unsafe AnyFrame(adopting: slot)
    } else if entry.isTable {
      let slot = FrameTable.slot(number: entry.tableAddress.frameNumber)
      // SAFETY: the entry held the count of its child.
      _ = unsafe Frame<PageTableNodeMetadata>(adopting: slot)
    }
  }

  /// The count of the frame that the leaf `entry` of `size` held, as a handle.
  ///
  /// As for `release`; `entry` is a counted leaf.
  @inline(__always)
  @unsafe static func adopt(_ entry: PageTableEntry, size: PageSize) -> AnyFrame {
    // SAFETY: the caller makes the same promise.
    unsafe AnyFrame(
      adopting: FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).counting)
  }

  /// Adds counts for the 512 entries that are to take the place of the counted leaf `entry`.
  static func shareAmongParts(_ entry: PageTableEntry, size: PageSize) {
    let slot = FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).counting
    slot.share(adding: 511)
  }

  /// Takes away the counts of 511 of the 512 entries whose place the counted leaf `entry` has
  /// taken.
  static func gatherFromParts(_ entry: PageTableEntry, size: PageSize) {
    let slot = FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).counting
    for _ in 0..<511 {
      let isLast = slot.release()
      require(!isLast, "a page lost its frame when it became a part of a larger one")
    }
  }

  /// Adds a count for a second entry that leads to the same frame as the counted leaf `entry`.
  @inline(__always)
  static func share(_ entry: PageTableEntry, size: PageSize) {
    FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).counting.share()
  }
}
