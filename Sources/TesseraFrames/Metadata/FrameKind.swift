package import TesseraHardware

/// The kind of a frame: the type of its metadata, its usage and size, and its place in the
/// allocator.
///
/// | Bits    | Meaning                                                           |
/// |---------|-------------------------------------------------------------------|
/// | 47...0  | the metadata's destructor, which also identifies its type; 0 = none |
/// | 51...48 | usage                                                             |
/// | 52      | the contents are untyped                                          |
/// | 53      | the frame comes from the allocator and returns there              |
/// | 55...54 | size of the frame                                                 |
/// | 56      | the destructor is not empty                                       |
/// | 61...57 | order of the free block that starts here                          |
/// | 62      | a free block starts here                                          |
/// | 63      | the frame is in a processor's cache                               |
///
/// Functions lie in the lower or the upper 2^47 bytes, so 48 bits determine their address.
package struct FrameKind: Equatable {
  package let rawValue: UInt64

  @inline(__always)
  package init(rawValue: UInt64) { self.rawValue = rawValue }

  private static var destructorMask: UInt64 { (1 << 48) - 1 }
  private static var usageShift: UInt64 { 48 }
  private static var untypedBit: UInt64 { 1 << 52 }
  private static var allocatedBit: UInt64 { 1 << 53 }
  private static var sizeShift: UInt64 { 54 }
  private static var activeBit: UInt64 { 1 << 56 }
  private static var orderShift: UInt64 { 57 }
  private static var headBit: UInt64 { 1 << 62 }
  private static var cachedBit: UInt64 { 1 << 63 }
}

extension FrameKind {
  /// The kind of a frame in use, with metadata of type `Metadata`.
  @inline(__always)
  package static func of<Metadata: FrameMetadata & ~Copyable>(_: Metadata.Type) -> FrameKind {
    // SAFETY: a C function pointer is one word, the address of its function.
    let destructor = unsafe unsafeBitCast(Metadata.destructor, to: UInt64.self)
    var word = destructor & destructorMask
    word |= UInt64(Metadata.role.usage.rawValue) << usageShift
    if Metadata.role.isUntyped { word |= untypedBit }
    if Metadata.hasDestructor { word |= activeBit }
    return FrameKind(rawValue: word)
  }

  /// Unowned, and in no allocator.
  @inline(__always)
  package static var none: FrameKind { FrameKind(rawValue: 0) }

  /// The allocator's: inside a free block, or, with the count `unused`, a raw allocation.
  @inline(__always)
  package static var plain: FrameKind { FrameKind(rawValue: allocatedBit) }

  /// In the kernel's own allocator, which may allocate it to Tessera. The count is `unused`.
  @inline(__always)
  package static var external: FrameKind {
    FrameKind(rawValue: allocatedBit | UInt64(FrameUsage.external.rawValue) << usageShift)
  }

  /// Free, in a processor's cache.
  @inline(__always)
  package static var cached: FrameKind { FrameKind(rawValue: allocatedBit | cachedBit) }

  /// The first frame of a free block of 2^`order` frames.
  @inline(__always)
  package static func freeBlock(order: Int) -> FrameKind {
    FrameKind(rawValue: allocatedBit | headBit | UInt64(truncatingIfNeeded: order) << orderShift)
  }

  /// A tail frame of a compound frame of `size`.
  @inline(__always)
  package static func tail(of size: PageSize) -> FrameKind {
    FrameKind(rawValue: allocatedBit).used(for: .tail).sized(size)
  }

  /// The same kind, of a frame of `size`.
  @inline(__always)
  package func sized(_ size: PageSize) -> FrameKind {
    FrameKind(rawValue: rawValue & ~(3 << Self.sizeShift) | UInt64(size.rawValue) << Self.sizeShift)
  }

  /// The same kind, of a frame that returns to the allocator.
  @inline(__always)
  package var allocated: FrameKind { FrameKind(rawValue: rawValue | Self.allocatedBit) }

  /// The same kind, for another usage.
  package func used(for usage: FrameUsage) -> FrameKind {
    let cleared = rawValue & ~(15 << Self.usageShift)
    return FrameKind(rawValue: cleared | UInt64(usage.rawValue) << Self.usageShift)
  }
}

extension FrameKind {
  @inline(__always)
  package var usage: FrameUsage {
    FrameUsage(rawValue: UInt8(truncatingIfNeeded: rawValue >> Self.usageShift & 15))
  }

  /// A Boolean value indicating whether no allocator has the frame, nor ever gets it unless it is
  /// donated, and it is not metadata: it may be mapped as device memory.
  package var isOutsideAllocators: Bool { usage == .reserved || usage == .kernel }

  @inline(__always)
  package var isUntyped: Bool { rawValue & Self.untypedBit != 0 }

  /// A Boolean value indicating whether the frame returns to the allocator when it is freed.
  @inline(__always)
  package var isAllocated: Bool { rawValue & Self.allocatedBit != 0 }

  /// A Boolean value indicating whether destroying the metadata does anything.
  @inline(__always)
  package var hasDestructor: Bool { rawValue & Self.activeBit != 0 }

  /// A Boolean value indicating whether the frame is a slab of the heap: a small frame, in no cache
  /// and not the start of a free block, so that it is one comparison of the upper bits.
  @inline(__always)
  package var isSlab: Bool {
    let slab = UInt64(FrameUsage.slab.rawValue) << Self.usageShift | Self.allocatedBit
    return rawValue >> Self.usageShift == slab >> Self.usageShift
  }

  /// A Boolean value indicating whether the frame's size is 4 KiB.
  @inline(__always)
  package var isSmall: Bool { rawValue & (3 << Self.sizeShift) == 0 }

  /// A Boolean value indicating whether the frame returns to the allocator and its size is 4 KiB.
  @inline(__always)
  package var isSmallAndAllocated: Bool {
    rawValue & (Self.allocatedBit | 3 << Self.sizeShift) == Self.allocatedBit
  }

  /// A Boolean value indicating whether freeing the frame is one push into a processor's cache: its
  /// size is 4 KiB, it returns to the allocator, and its metadata has no destructor.
  @inline(__always)
  package var isTriviallyFreed: Bool {
    let deciding = Self.allocatedBit | 3 << Self.sizeShift | Self.activeBit
    return rawValue & deciding == Self.allocatedBit
  }

  @inline(__always)
  package var size: PageSize {
    PageSize(rawValue: UInt8(truncatingIfNeeded: rawValue >> Self.sizeShift & 3)) ?? .fourKiB
  }

  /// The order of the free block that starts with the frame, or nil if none does.
  package var freeBlockOrder: Int? {
    guard rawValue & Self.headBit != 0 else { return nil }
    return Int(truncatingIfNeeded: rawValue >> Self.orderShift & 31)
  }

  /// A Boolean value indicating whether a free frame is in a processor's cache.
  package var isCached: Bool { rawValue & Self.cachedBit != 0 }

  /// A Boolean value indicating whether the metadata is initialized.
  package var hasMetadata: Bool { rawValue & Self.destructorMask != 0 }

  /// Returns whether this and `other` are kinds of the same metadata type.
  @inline(__always)
  package func hasSameMetadata(as other: FrameKind) -> Bool {
    (rawValue ^ other.rawValue) & Self.destructorMask == 0
  }

  /// The function that destroys the metadata of a frame of this kind.
  @inline(__always)
  package var destructor: FrameMetadataDestructor {
    let address = Int64(bitPattern: rawValue << 16) >> 16
    // SAFETY: `of(_:)` stored the function's address, and the sign extension restores it.
    return unsafe unsafeBitCast(address, to: FrameMetadataDestructor.self)
  }
}
