internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// What is kept about a frame that a client of the header allocated.
///
/// Handles are counted apart from owners: so a handle that is dropped twice is refused, rather than
/// taken for the share of a mapping.
struct ClientFrame: UntypedFrameMetadata, ~Copyable {
  /// The kernel's own bytes, which it reads and writes where they are.
  var data: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// How many handles are out.
  ///
  /// Access: atomic.
  let handles: Atomic<UInt64>
  private let onFree: FreeFunction

  init(onFree: FreeFunction = .none) {
    handles = Atomic(1)
    self.onFree = onFree
  }

  /// Forgets the handle that a new frame has, because it is to be mapped without one.
  func takeOut() {
    // Ordering: relaxed; nobody else has the frame.
    handles.store(0, ordering: .relaxed)
  }

  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe ClientFrame.destroy(at: $0) } }

  mutating func onDrop(_ contents: FrameContents) { onFree.call(contents.address, &data) }
}
