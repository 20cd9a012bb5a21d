public import TesseraHardware

/// A view of a frame that somebody else's handle, or a page-table entry, keeps in use.
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

  /// How much memory the frame is.
  public var size: PageSize { slot.kind.size }

  /// What the frame is used for.
  public var usage: FrameUsage { slot.kind.usage }

  /// How many owners the frame has. Already old when it is returned.
  public var referenceCount: UInt64 { slot.count }

  /// A handle of one's own to the frame.
  @inline(__always)
  public func share() -> Frame<Metadata> {
    slot.share()
    // SAFETY: `share` added the count; what this was borrowed from holds another.
    return unsafe Frame(adopting: slot)
  }
}

extension BorrowedFrame where Metadata: FrameMetadata & ~Copyable {
  /// The metadata, which every owner sees.
  @inline(__always)
  public var metadata: Metadata {
    _read {
      // SAFETY: the count of what this was borrowed from keeps the metadata initialised.
      yield unsafe slot.storage(as: Metadata.self).pointee
    }
  }
}
