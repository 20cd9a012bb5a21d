/// What a frame is used for.
///
/// Frames with client metadata have the usage `.object`; only the library assigns the others.
@frozen
public struct FrameUsage: Equatable, Sendable {
  package let rawValue: UInt8

  @inline(__always)
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Unused: unowned, or free in the allocator.
  public static var unused: FrameUsage { FrameUsage(rawValue: 0) }

  /// Memory that the firmware reserves, or an address without memory.
  public static var reserved: FrameUsage { FrameUsage(rawValue: 1) }

  /// Memory, or an object, that a client allocated.
  public static var object: FrameUsage { FrameUsage(rawValue: 2) }

  /// A node of a page table.
  public static var pageTable: FrameUsage { FrameUsage(rawValue: 3) }

  /// Tessera's own metadata: the slots, and what was allocated before they existed.
  public static var metadata: FrameUsage { FrameUsage(rawValue: 4) }

  /// The kernel's image, and what its loader left for it.
  public static var kernel: FrameUsage { FrameUsage(rawValue: 5) }

  /// A tail frame, used for whatever its compound frame is used for.
  public static var tail: FrameUsage { FrameUsage(rawValue: 6) }

  /// In the kernel's own allocator, for a use that Tessera does not know.
  public static var external: FrameUsage { FrameUsage(rawValue: 7) }

  /// A slab of the heap: objects of one size.
  public static var slab: FrameUsage { FrameUsage(rawValue: 8) }

  /// A part of a large object of the heap, or a record of the heap's.
  public static var heap: FrameUsage { FrameUsage(rawValue: 9) }
}
