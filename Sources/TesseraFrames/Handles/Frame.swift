public import TesseraHardware

/// One owner's share of a frame of physical memory.
///
/// The frame is unmade and given back when the last of its handles is destroyed. Moving a handle
/// costs nothing; only `share()` and destruction touch the count. A handle is one word, and so is
/// an optional one. `Metadata` is what the frame's slot holds; see `AnyFrame` for frames of any
/// kind.
@frozen
public struct Frame<Metadata: ~Copyable>: ~Copyable, Sendable {
  package let slot: FrameSlotReference

  /// Takes over one count that is already held on the frame of `slot`.
  ///
  /// The caller holds that count, for a frame whose metadata is a `Metadata`, and gives it up.
  @inline(__always)
  @unsafe package init(adopting slot: FrameSlotReference) { self.slot = slot }

  /// The first byte of the frame.
  @inline(__always)
  public var address: PhysicalAddress { slot.address }

  /// How much memory the frame is.
  @inline(__always)
  public var size: PageSize { slot.kind.size }

  /// What the frame is used for.
  public var usage: FrameUsage { slot.kind.usage }

  /// Whether the frame's bytes are plain memory.
  public var isUntyped: Bool { slot.kind.isUntyped }

  /// How many owners the frame has: handles, segments and page-table entries together.
  ///
  /// Already old when it is returned, unless the caller keeps all others from changing it.
  public var referenceCount: UInt64 { slot.count }

  /// Another handle to the same frame.
  ///
  /// A frame that would get more owners than can be counted stays in use for ever instead.
  @inline(__always)
  public borrowing func share() -> Frame {
    slot.share()
    // SAFETY: `share` added the count.
    return unsafe Frame(adopting: slot)
  }

  /// A view of the frame that needs no count, for as long as this handle is not touched.
  @inline(__always)
  @_lifetime(borrow self)
  public borrowing func borrow() -> BorrowedFrame<Metadata> { BorrowedFrame(of: slot) }

  deinit {
    if slot.drop() { slot.retire() }
  }
}

/// A handle to a frame of any kind.
public typealias AnyFrame = Frame<AnyMetadata>

/// A handle to a frame of plain memory, whatever its metadata.
public typealias UntypedFrame = Frame<AnyUntypedMetadata>

extension Frame where Metadata: ~Copyable {
  /// Gives up the handle but keeps its count, which the caller now holds.
  ///
  /// For structures that processors and devices read, such as page tables. The frame leaks unless
  /// the count is adopted again.
  @inline(__always)
  public consuming func relinquish() -> PhysicalAddress {
    let address = slot.address
    discard self
    return address
  }

  /// Gives up the handle but keeps its count, which the caller now holds.
  @inline(__always)
  package consuming func relinquishSlot() -> FrameSlotReference {
    let slot = slot
    discard self
    return slot
  }

  /// Takes over one count that was relinquished for the frame at `address`.
  ///
  /// The caller promises that this count was relinquished by a handle to `Metadata`, and that
  /// nobody else adopts it: a count adopted twice frees a frame in use. Traps if `address` is no
  /// frame's.
  @inline(__always)
  @unsafe public init(adopting address: PhysicalAddress) {
    guard let slot = try? FrameTable.slot(at: address) else {
      panic("adopted an address that is not a frame's", address)
    }
    // SAFETY: the caller makes the same promise.
    unsafe self.init(adopting: slot)
  }

  /// Writes "Frame(0x1000)", for people.
  public borrowing func describe(to sink: inout some TextSink & ~Copyable) {
    sink.write("Frame(")
    sink.write(hexadecimal: address.rawValue)
    sink.write(")")
  }
}

extension FrameTable {
  /// Adds a count to the frame at `address`, for the caller to hold.
  ///
  /// The caller holds a count of that frame already, for instance in a page-table entry. Traps if
  /// `address` is no frame's.
  @inline(__always)
  @unsafe public static func share(at address: PhysicalAddress) {
    guard let slot = try? slot(at: address) else {
      panic("shared an address that is not a frame's", address)
    }
    slot.share()
  }
}
