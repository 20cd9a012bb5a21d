public import TesseraHardware

/// A function that destroys the metadata at the start of the slot it is given.
public typealias FrameMetadataDestructor = @convention(c) (UnsafeMutableRawPointer) -> Void

/// The metadata of a frame, stored in its slot: at most 40 bytes, aligned to at most 16.
///
/// The type of the metadata determines what the frame is. A frame whose metadata conforms only to
/// `FrameMetadata` is typed: its bytes hold an object of the kernel, and only the module of the
/// metadata accesses them. A conforming type is concrete, not generic, and names itself in its
/// destructor:
///
///     struct PipeBuffer: FrameMetadata {
///       var readers = 0
///       static var destructor: FrameMetadataDestructor { { unsafe PipeBuffer.destroy(at: $0) } }
///     }
public protocol FrameMetadata: ~Copyable, Sendable {
  /// A function that only calls `destroy(at:)` of this type.
  ///
  /// Its address also identifies the type, so identical functions must not be folded by the linker.
  static var destructor: FrameMetadataDestructor { get }

  /// The usage of frames with this metadata. Provided by the protocol that the type conforms to.
  static var role: FrameRole { get }

  /// A Boolean value indicating whether destroying the metadata does anything.
  ///
  /// A type without an `onDrop`, and without members that need destruction, may return false, which
  /// saves a call per frame.
  static var hasDestructor: Bool { get }

  /// Called once after the last reference to the frame is dropped, before the metadata is
  /// destroyed.
  ///
  /// No other owner can reach the frame. Runs before the drop returns, with interrupts off, and
  /// with no lock of Tessera held; it must not wait, turn interrupts on, or access page tables. It
  /// may drop other frames: what runs for them runs after this returns, not inside it, before the
  /// outermost drop returns. So a chain of frames takes no more stack than one of them.
  mutating func onDrop(_ contents: FrameContents)
}

/// Metadata of frames whose bytes are plain memory, which may be shared with devices and programs.
public protocol UntypedFrameMetadata: FrameMetadata, UntypedContents, ~Copyable {}

/// What the frames of a metadata type are used for, and whether their bytes are plain memory.
///
/// Only the library creates roles, so that a client can declare neither its frames to be page
/// tables nor typed ones to be plain memory.
public struct FrameRole: Sendable {
  package let usage: FrameUsage
  package let isUntyped: Bool

  @inline(__always)
  package init(_ usage: FrameUsage, isUntyped: Bool) {
    self.usage = usage
    self.isUntyped = isUntyped
  }
}

/// Contents that may be read and written as plain memory.
public protocol UntypedContents: ~Copyable {}

extension FrameMetadata where Self: ~Copyable {
  @inline(__always) public static var role: FrameRole { FrameRole(.object, isUntyped: false) }
  @inline(__always) public static var hasDestructor: Bool { true }
  public mutating func onDrop(_ contents: FrameContents) {}

  /// The body of every `destructor`: calls `onDrop`, then destroys the metadata in place.
  ///
  /// Only for use in `destructor`, whose caller owns the frame and its initialized metadata.
  @inline(__always)
  @unsafe public static func destroy(at storage: UnsafeMutableRawPointer) {
    // SAFETY: the storage is at the start of its slot, and the slot's kind guarantees that a `Self`
    // is stored there. The caller alone owns the frame.
    let slot = unsafe FrameSlotReference(storage.assumingMemoryBound(to: FrameSlot.self))
    let metadata = unsafe slot.storage(as: Self.self)
    unsafe metadata.pointee.onDrop(FrameContents(of: slot.address, size: slot.kind.size))
    unsafe metadata.deinitialize(count: 1)
  }
}

extension UntypedFrameMetadata where Self: ~Copyable {
  @inline(__always) public static var role: FrameRole { FrameRole(.object, isUntyped: true) }
}

/// Metadata without contents, for plain memory.
public struct PlainMemory: UntypedFrameMetadata {
  @inline(__always) public init() {}
  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor { { unsafe PlainMemory.destroy(at: $0) } }
  @inline(__always) public static var hasDestructor: Bool { false }
}

/// A placeholder for metadata whose type is not known.
public enum AnyMetadata {}

/// A placeholder for untyped metadata whose type is not known.
public enum AnyUntypedMetadata: UntypedContents {}

/// The bytes of a frame that is being destroyed, for `onDrop` to read.
public struct FrameContents: ~Escapable {
  /// The first byte of the frame.
  public let address: PhysicalAddress
  public let size: PageSize

  @_lifetime(immortal)
  package init(of address: PhysicalAddress, size: PageSize) {
    self.address = address
    self.size = size
  }

  /// The 64-bit word at `index`.
  ///
  /// - Precondition: The word lies within the frame.
  public func word(at index: Int) -> UInt64 {
    require(
      index >= 0 && UInt64(index) < size.byteCount / 8, "read a word beyond the end of a frame",
      address)
    // SAFETY: the word is in the frame, which the caller of `onDrop` alone owns.
    return unsafe PhysicalMemory.pointer(to: address).load(
      fromByteOffset: index * 8, as: UInt64.self)
  }
}
