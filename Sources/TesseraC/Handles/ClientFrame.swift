internal import Synchronization
internal import TesseraFrames
internal import TesseraHardware
internal import TesseraHeader

/// The metadata of a frame that a client of the C API allocated.
///
/// The slot's reference count is the sum of handles and mappings; handles are counted here once
/// more. So dropping a handle twice is an error, rather than a drop of a mapping's reference.
struct ClientFrame: UntypedFrameMetadata, ~Copyable {
  /// The kernel's own data, which it accesses in place.
  var data: (UInt64, UInt64, UInt64) = (0, 0, 0)
  /// How many references are handles.
  ///
  /// Access: atomic.
  let handles: Atomic<UInt64>
  private let onFree: FreeCallback

  init(onFree: FreeCallback = .none) {
    handles = Atomic(1)
    self.onFree = onFree
  }

  /// Drops the only handle of a new frame, which will be mapped without one.
  func dropHandle() {
    // Ordering: relaxed; the frame is not shared yet.
    handles.store(0, ordering: .relaxed)
  }

  // SAFETY: called for the storage of a slot whose kind is this type's.
  static var destructor: FrameMetadataDestructor { { unsafe ClientFrame.destroy(at: $0) } }

  mutating func onDrop(_ contents: FrameContents) { onFree.call(contents.address, &data) }
}
