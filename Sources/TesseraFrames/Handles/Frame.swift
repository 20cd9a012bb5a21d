public import TesseraHardware

/// A handle to a frame of physical memory: one reference, dropped when the handle is destroyed.
///
/// The frame is destroyed and freed with its last reference. Moving a handle costs nothing; only
/// `share()` and destruction change the count. A handle is one word, and so is an optional one.
/// `Metadata` is the type of the metadata in the frame's slot; see `AnyFrame` for frames of any
/// kind.
@frozen
public struct Frame<Metadata: ~Copyable>: ~Copyable, Sendable {
  package let slot: FrameSlotReference

  /// Adopts a reference to the frame of `slot`.
  ///
  /// The caller holds that reference, to a frame whose metadata is a `Metadata`, and relinquishes
  /// it.
  @inline(__always)
  @unsafe package init(adopting slot: FrameSlotReference) { self.slot = slot }

  /// The first byte of the frame.
  @inline(__always)
  public var address: PhysicalAddress { slot.address }

  /// The size of the frame.
  @inline(__always)
  public var size: PageSize { slot.kind.size }

  /// What the frame is used for.
  public var usage: FrameUsage { slot.kind.usage }

  /// A Boolean value indicating whether the frame's contents are plain memory.
  public var isUntyped: Bool { slot.kind.isUntyped }

  /// The number of owners of the frame: handles, segments and page-table entries together.
  ///
  /// May be stale when it is returned, unless no other owner can change it.
  public var referenceCount: UInt64 { slot.count }

  /// Returns another handle to the same frame.
  ///
  /// A frame with more owners than can be counted is never freed.
  @inline(__always)
  public borrowing func share() -> Frame {
    slot.share()
    // SAFETY: `share` added the reference.
    return unsafe Frame(adopting: slot)
  }

  /// Returns a view of the frame that needs no reference of its own, because it borrows this
  /// handle.
  ///
  /// In Embedded Swift the handle is a `var` or the parameter of a function, not a `let`.
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
  /// Relinquishes the handle's reference to the caller.
  ///
  /// For structures that processors and devices read, such as page tables. The frame leaks unless
  /// the reference is adopted again.
  @inline(__always)
  public consuming func relinquish() -> PhysicalAddress {
    let address = slot.address
    discard self
    return address
  }

  /// Relinquishes the handle's reference to the caller.
  @inline(__always)
  package consuming func relinquishSlot() -> FrameSlotReference {
    let slot = slot
    discard self
    return slot
  }

  /// Adopts a relinquished reference to the frame at `address`.
  ///
  /// The caller guarantees that a handle to `Metadata` relinquished the reference, and that it is
  /// adopted once: adopting it twice frees a frame in use.
  ///
  /// - Precondition: `address` is the address of a frame.
  @inline(__always)
  @unsafe public init(adopting address: PhysicalAddress) {
    guard let slot = try? FrameTable.slot(at: address) else {
      panic("adopted an address that is not that of a frame", address)
    }
    // SAFETY: the caller gives the same guarantee.
    unsafe self.init(adopting: slot)
  }

  /// Writes a description such as "Frame(0x1000)".
  public borrowing func describe(to sink: inout some TextSink & ~Copyable) {
    sink.write("Frame(")
    sink.write(hexadecimal: address.rawValue)
    sink.write(")")
  }
}

extension FrameTable {
  /// Adds a reference to the frame at `address`, which the caller then holds.
  ///
  /// The caller holds a reference to that frame already, for instance in a page-table entry.
  ///
  /// - Precondition: `address` is the address of a frame.
  @inline(__always)
  @unsafe public static func share(at address: PhysicalAddress) {
    guard let slot = try? slot(at: address) else {
      panic("shared an address that is not that of a frame", address)
    }
    slot.share()
  }
}
