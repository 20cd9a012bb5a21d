internal import TesseraFrames
internal import TesseraHardware

/// The TLB invalidations that changes of page tables have made necessary and that are still
/// pending, and what must not be freed before they are done.
///
/// A change that takes rights away, or maps another frame or page size, leaves stale translations
/// in the TLBs; they must be gone before the change counts as done. What was unmapped is deferred
/// until then, because a processor may still reach it. Adding a mapping or rights needs no
/// invalidation: a processor that misses it faults once and walks again.
///
/// Flushing consumes the flusher and returns what was deferred, which is freed when that is
/// destroyed. Neither step can be forgotten: a flusher that is destroyed with invalidations pending
/// stops the kernel.
///
/// Contiguous pages are merged into ranges. From 33 pages on everything is flushed, which is
/// cheaper; so it is when a node was freed, because invalidating pages does not reach every cached
/// entry of another level (Intel SDM Vol. 3A, "Invalidation of TLBs and Paging-Structure Caches").
struct TLBFlusher: ~Copyable {
  /// More pages than this, and everything is flushed.
  static var pageLimit: Int { 32 }

  /// Whether the pages are the kernel's, which every processor uses and which are global.
  private let isGlobal: Bool
  private var pending = PendingInvalidations()
  private var deferred = DeferredFrames()

  @inline(__always)
  init(isGlobal: Bool) { self.isGlobal = isGlobal }

  private init(isGlobal: Bool, deferring deferred: consuming DeferredFrames) {
    self.isGlobal = isGlobal
    self.deferred = deferred
  }

  /// Whether nothing is pending and nothing deferred.
  @inline(__always)
  var isEmpty: Bool { pending.isEmpty && deferred.isEmpty }

  /// Carries out the pending invalidations, on every processor that may have translations of the
  /// tables under `root`. Returns what may then be freed, once the caller has released its locks.
  @inline(__always)
  consuming func flush(_ root: PageTableNode) -> DeferredFrames {
    pending.finish(under: isGlobal ? nil : root)
    return deferred
  }

  /// As `flush`, but stays: with nothing pending and nothing deferred.
  @inline(never)
  mutating func flushSoFar(_ root: PageTableNode) -> DeferredFrames {
    let isGlobal = self.isGlobal
    let flushed = consume self
    self = TLBFlusher(isGlobal: isGlobal)
    return flushed.flush(root)
  }
}

extension TLBFlusher {
  /// Adds the page of `size` at `address`.
  @inline(__always)
  mutating func enqueue(_ address: VirtualAddress, size: PageSize) {
    pending.add(address, size)
  }

  /// Returns whether an invalidation is pending that includes a byte of the page of `size` at
  /// `address`.
  func isPending(_ address: VirtualAddress, _ size: PageSize) -> Bool {
    pending.includes(address, size)
  }

  /// Adds `pageCount` contiguous pages of 4 KiB from `address`.
  mutating func enqueue(_ address: VirtualAddress, pageCount: UInt64) {
    pending.add(address, pageCount: pageCount)
  }

  /// Does what the removal of `entry` of `size`, which spanned `address` and of which
  /// `LeafOwnership.noteRemoval` was told if it may be the pager's, requires: enqueues its
  /// invalidation and defers the release of its frame. Returns the number of bytes it mapped.
  @inline(__always)
  @discardableResult
  mutating func retire(
    _ entry: PageTableEntry, at address: VirtualAddress, size: PageSize
  ) -> UInt64 {
    guard entry.isLeaf else { return 0 }
    if entry.isPresent { enqueue(address, size: size) }
    deferRelease(of: entry, size: size)
    return size.byteCount
  }

  /// As `retire`, for a leaf of 4 KiB that is a usual one (`PageTableEntry.isUsualLeaf`).
  @inline(__always)
  mutating func retireUsual(_ entry: PageTableEntry, at address: VirtualAddress) -> UInt64 {
    enqueue(address, size: .fourKiB)
    // SAFETY: the entry was removed from its node, so that its reference is deferred once.
    deferRelease(of: unsafe LeafOwnership.slot(ofUsual: entry))
    return PageSize.fourKiB.byteCount
  }

  /// Defers the release of what the leaf `entry` of `size` owned. The entry has been removed from
  /// its node.
  @inline(__always)
  private mutating func deferRelease(of entry: PageTableEntry, size: PageSize) {
    guard entry.ownsFrame else { return }
    // SAFETY: as in `retireUsual`.
    deferRelease(of: unsafe LeafOwnership.slot(of: entry, size: size))
  }

  /// Defers the release of a reference of the frame of `slot`.
  @inline(__always)
  private mutating func deferRelease(of slot: FrameSlotReference) {
    if deferred.extend(by: slot) { return }
    // The slow path gets a copy: taking this by reference would force the cursor into memory.
    var moved = consume self
    moved.deferReleaseSlow(of: slot)
    self = moved
  }

  @inline(never)
  private mutating func deferReleaseSlow(of slot: FrameSlotReference) {
    if !deferred.makeRoom() { flushEarly() }
    _ = deferred.extend(by: slot)
  }

  /// Defers the release of `node`, with everything below it.
  mutating func deferRelease(of node: consuming DetachedNode) {
    pending.addEverything()
    deferred.add(node)
  }

  /// As `deferRelease(of:)`, after everything was flushed since the node was removed.
  mutating func deferRelease(ofFlushed node: consuming DetachedNode) { deferred.add(node) }

  /// Flushes as the changes so far require, while node locks are held, and frees nothing.
  mutating func flushKeepingDeferred(_ root: PageTableNode) {
    let isGlobal = self.isGlobal
    let full = consume self
    full.pending.finish(under: isGlobal ? nil : root)
    self = TLBFlusher(isGlobal: isGlobal, deferring: full.deferred)
  }

  /// As `flushKeepingDeferred`, and flushes all pages.
  mutating func flushEverything(_ root: PageTableNode) {
    pending.addEverything()
    flushKeepingDeferred(root)
  }

  /// Flushes when there is no room to defer more, and drops the references that take room. Frees
  /// nothing: node locks are held.
  ///
  /// It does not know the root, so that every processor is asked.
  private mutating func flushEarly() {
    let isGlobal = self.isGlobal
    var full = consume self
    full.pending.addEverything()
    full.pending.finish(under: nil)
    var flushed = full.deferred
    flushed.dropRuns()
    self = TLBFlusher(isGlobal: isGlobal, deferring: flushed)
  }
}
