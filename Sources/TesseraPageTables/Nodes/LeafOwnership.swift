internal import TesseraFrames
internal import TesseraHardware

/// The doors between counts and entries: what a handle held goes into an entry, and what an entry
/// held comes out, here and nowhere else.
enum Mapping {
  /// The slot of the memory that the counted leaf `entry` of `size` leads to: a frame's, or that
  /// of a part of a larger one.
  ///
  /// Its count is the entry's. The caller has taken the entry out of its node, and lets the count
  /// go once, when no processor can reach the frame any more.
  @inline(__always)
  @unsafe static func slot(of entry: PageTableEntry, size: PageSize) -> FrameSlotReference {
    FrameTable.slot(number: entry.leafAddress(size: size).frameNumber)
  }

  /// Lets go of the count that the counted leaf `entry` of `size` owned. As for `slot(of:size:)`.
  @unsafe static func release(_ entry: PageTableEntry, size: PageSize) {
    // SAFETY: the caller makes the same promise.
    _ = unsafe AnyFrame(adopting: slot(of: entry, size: size).head)
  }

  /// Adds counts for the 512 entries that are to take the place of the counted leaf `entry`.
  static func shareAmongParts(_ entry: PageTableEntry, size: PageSize) {
    let slot = FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).head
    slot.share(adding: 511)
  }

  /// Takes away the counts of 511 of the 512 entries whose place the counted leaf `entry` has
  /// taken.
  static func gatherFromParts(_ entry: PageTableEntry, size: PageSize) {
    let slot = FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).head
    for _ in 0..<511 {
      let isLast = slot.drop()
      require(!isLast, "a page lost its frame when it became a part of a larger one")
    }
  }

  /// Adds a count for a second entry that leads to the same frame as the counted leaf `entry`.
  @inline(__always)
  static func share(_ entry: PageTableEntry, size: PageSize) {
    FrameTable.slot(number: entry.leafAddress(size: size).frameNumber).head.share()
  }

  /// As `share`, of a leaf of 4 KiB that is present.
  @inline(__always)
  static func share(present entry: PageTableEntry) {
    FrameTable.slot(number: entry.tableAddress.frameNumber).head.share()
  }
}
