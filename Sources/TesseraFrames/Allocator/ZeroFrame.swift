package import TesseraHardware

/// The frame of zeros that pages of all address spaces map, read-only, until they are written.
///
/// Mappings of it own no reference, so that reading fresh memory on several processors changes no
/// count. It is never freed.
package enum ZeroFrame {
  /// Access: written by `start`, constant afterwards.
  nonisolated(unsafe) private static var slot: FrameSlotReference?

  /// Allocates the frame. Called once, before there are address spaces.
  ///
  /// - Throws: `outOfFrames`.
  package static func start() throws(TesseraError) {
    let allocated = try FrameAllocator.allocateSlot(FrameRequest())
    allocated.makePermanent(.kernel)
    // It counts as one that the allocator has given away.
    allocated.setKind(allocated.kind.allocated)
    // SAFETY: nothing else runs yet.
    unsafe slot = allocated
  }

  /// Returns whether the frame is at `address`.
  package static func isAt(_ address: PhysicalAddress) -> Bool {
    // SAFETY: constant after `start`.
    unsafe slot?.address == address
  }

  /// The address of the frame. Panics before `start`.
  @inline(__always)
  package static var address: PhysicalAddress {
    // SAFETY: constant after `start`.
    guard let slot = unsafe slot else { panic("the frame of zeros is used before the start") }
    return slot.address
  }
}
