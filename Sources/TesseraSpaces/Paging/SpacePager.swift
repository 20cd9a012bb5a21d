internal import Synchronization
package import TesseraHardware
package import TesseraPageTables

/// What the pager does for the spaces that it pages, if the kernel has one.
///
/// The modules of spaces and faults are below the pager, and a kernel without it links none of it:
/// they call it through these. Roots are passed by their physical address.
package struct SpacePager: Sendable {
  /// Has the pager know the root of the child of a fork, before anything is copied to it. Returns
  /// false if there is no memory for that.
  package let addChild: @convention(c) (_ parent: UInt64, _ child: UInt64) -> Bool
  /// Has the pager forget a root. Called before its space is destroyed.
  package let remove: @convention(c) (_ root: UInt64) -> Void
  /// Brings the page at an address, which the pager has, and maps those around it in an aligned
  /// block of so many that take neither a frame nor a store; see `PageBringing`.
  package let bring: @convention(c) (_ root: UInt64, _ page: UInt64, _ count: UInt64) -> UInt8
  /// Frees frames, if it can. See `PageReclaiming`.
  package let reclaim: @convention(c) () -> UInt8
  /// Frees frames if fewer are free than the kernel wants to have.
  private let keepFree: @convention(c) () -> Void
  /// Has pages be found where they are after a move.
  private let noteMove:
    @convention(c) (_ root: UInt64, _ from: UInt64, _ to: UInt64, _ byteCount: UInt64) -> Void

  package init(
    addChild: @convention(c) (UInt64, UInt64) -> Bool, remove: @convention(c) (UInt64) -> Void,
    bring: @convention(c) (UInt64, UInt64, UInt64) -> UInt8, reclaim: @convention(c) () -> UInt8,
    keepFree: @convention(c) () -> Void,
    noteMove: @convention(c) (UInt64, UInt64, UInt64, UInt64) -> Void
  ) {
    self.addChild = addChild
    self.remove = remove
    self.bring = bring
    self.reclaim = reclaim
    self.keepFree = keepFree
    self.noteMove = noteMove
  }

  /// The pager, if there is one.
  ///
  /// Access: written by `set` while no space is paged; constant otherwise.
  nonisolated(unsafe) private static var pager: SpacePager?

  package static var current: SpacePager? {
    // SAFETY: constant once spaces are paged.
    unsafe pager
  }

  /// The number of frames that were allocated for pages. Access: atomic.
  private static let allocationCount = Atomic<UInt64>(0)

  /// Is called before a frame is allocated for a page of a space that is paged, with nothing
  /// locked. Now and then it sees to it that enough frames are free.
  package static func prepareAllocation() {
    // Ordering: relaxed; only how often matters.
    guard allocationCount.wrappingAdd(1, ordering: .relaxed).oldValue % 16 == 0 else { return }
    current?.keepFree()
  }

  /// Has the pager find the pages that were in `byteCount` bytes from `start`, and were moved to
  /// `target`, in the space with `root`, if it pages that. With nothing locked.
  package static func noteMove(
    in root: PageTableNode, from start: VirtualAddress, to target: VirtualAddress,
    _ byteCount: UInt64
  ) {
    guard root.pagerNumber != 0 else { return }
    current?.noteMove(root.address.rawValue, start.rawValue, target.rawValue, byteCount)
  }

  /// Makes `pager` the pager, or none. No space is paged.
  package static func set(_ pager: SpacePager?) {
    // SAFETY: nothing reads it meanwhile.
    unsafe self.pager = pager
  }
}

/// What became of a page that the pager was to bring.
package enum PageBringing: UInt8 {
  /// It may be there: look again.
  case again
  /// It is being read or written. The access can be tried later.
  case busy
  /// The page is beyond the end of its object.
  case denied
  /// Its store could not read it.
  case failed
  case outOfFrames
  /// It was brought; it may still have to be copied.
  case done
}

/// What became of an attempt to free frames.
package enum PageReclaiming: UInt8 {
  /// Frames were freed.
  case done
  /// None yet: pages are being written.
  case busy
  /// None, and nothing is being done for it.
  case nothing
}

extension VmSpace {
  /// What the pager knows the space by; 0 if it does not page it.
  package var pagerNumber: UInt64 { root.pagerNumber }
}
