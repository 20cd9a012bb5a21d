public import TesseraHardware

/// A view of a frame that another handle, or a page-table entry, keeps in use.
///
/// It cannot outlive what it was borrowed from, and never touches the count.
@frozen
public struct BorrowedFrame<Metadata: ~Copyable>: ~Escapable {
  package let slot: FrameSlotReference

  @inline(__always)
  @_lifetime(immortal)
  package init(of slot: FrameSlotReference) { self.slot = slot }

  /// The first byte of the frame.
  @inline(__always)
  public var address: PhysicalAddress { slot.address }

  /// The size of the frame.
  public var size: PageSize { slot.kind.size }

  /// What the frame is used for.
  public var usage: FrameUsage { slot.kind.usage }

  /// The number of owners of the frame. May be stale when it is returned.
  public var referenceCount: UInt64 { slot.count }

  /// Returns a handle to the frame, with a reference of its own.
  @inline(__always)
  public func share() -> Frame<Metadata> {
    slot.share()
    // SAFETY: `share` added the reference; this was borrowed from the holder of another.
    return unsafe Frame(adopting: slot)
  }
}

extension BorrowedFrame where Metadata: FrameMetadata & ~Copyable {
  /// The metadata, which all owners share.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: the reference that this was borrowed from keeps the metadata initialized.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
  }
}
