package import Synchronization
public import TesseraFrames
package import TesseraHardware

/// What the slot of a frame says of the page in it, for the pager: whose it is, which of the
/// owner's it is, its flags and its age. 24 of the 40 bytes of metadata; a page has no other
/// record.
public struct PageMetadata: UntypedFrameMetadata, ~Copyable {
  /// Access: constant.
  package let owner: PageOwner
  /// The slot of the swap store that may hold the page's contents, plus 1; 0 for none. A hint:
  /// `SwapSlots.holds` tells.
  ///
  /// Access: atomic.
  package let swapSlot = Atomic<UInt32>(0)
  /// The number of the page among those of its owner: in an object, from its start; of anonymous
  /// memory, the virtual page number, which changes if the page is moved.
  ///
  /// Access: atomic.
  package let index: Atomic<UInt64>
  /// The flags, and the age in the highest four bits.
  ///
  /// Access: atomic.
  package let state: Atomic<UInt32>

  package init(owner: PageOwner, index: UInt64, flags: PageFlags, age: UInt32) {
    self.owner = owner
    self.index = Atomic(index)
    state = Atomic(flags.rawValue | age << Self.ageShift)
  }

  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor {
    { unsafe PageMetadata.destroy(at: $0) }
  }
  public static var hasDestructor: Bool { false }

  /// Where the age is in the state.
  package static var ageShift: UInt32 { 28 }
}

extension PageMetadata {
  /// Allocates a frame of 4 KiB for page `index` of `owner`, which is up to date and young.
  ///
  /// - Throws: `outOfFrames`.
  package static func makeFrame(
    of owner: PageOwner, index: UInt64, flags: PageFlags = .upToDate, _ request: FrameRequest
  ) throws(TesseraError) -> UntypedFrame {
    let metadata = PageMetadata(owner: owner, index: index, flags: flags, age: 2)
    let frame = try Frame(allocating: metadata, request)
    frame.slot.takeWritten()
    return frame.untyped()
  }
}
