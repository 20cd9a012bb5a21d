public import TesseraHardware

/// A function that destroys the metadata at the start of the slot it is given.
public typealias FrameMetadataDestructor = @convention(c) (UnsafeMutableRawPointer) -> Void

/// What a kernel keeps about a frame, in the frame's slot: at most 40 bytes, aligned to at most 16.
///
/// The type of the metadata says what the frame is. A frame whose metadata is merely
/// `FrameMetadata` is typed: its bytes hold an object of the kernel, and only the metadata's own
/// module touches them. A conforming type is concrete, not generic, and names itself in its
/// destructor:
///
///     struct PipeBuffer: FrameMetadata {
///       var readers = 0
///       static var destructor: FrameMetadataDestructor { { unsafe PipeBuffer.destroy(at: $0) } }
///     }
public protocol FrameMetadata: ~Copyable, Sendable {
  /// A function that does nothing but call `destroy(at:)` of this type.
  ///
  /// Its address also tells this type from others: never link so that equal functions are folded.
  static var destructor: FrameMetadataDestructor { get }

  /// What frames with this metadata are to the library. Follows from the protocols that the type
  /// conforms to, so there is nothing to write.
  static var role: FrameRole { get }

  /// Whether destroying the metadata does anything. A type without an `onDrop` and without parts
  /// that need destruction may say false, which saves a call for each frame.
  static var hasDestructor: Bool { get }

  /// Called once when the last owner of a frame has let go, before the metadata is destroyed.
  ///
  /// The frame is still the caller's: nobody else can reach it. Runs in the context of whoever let
  /// go, possibly with interrupts off, and must not wait.
  mutating func onDrop(_ contents: FrameContents)
}

/// Metadata of frames whose bytes are plain memory, which may be shared with devices and programs.
public protocol UntypedFrameMetadata: FrameMetadata, UntypedContents, ~Copyable {}

/// What the frames of a metadata type are used for, and whether their bytes are plain memory.
///
/// Only the library makes one, so that no client can take its frames for page tables, nor typed
/// ones for plain memory.
public struct FrameRole: Sendable {
  package let usage: FrameUsage
  package let isUntyped: Bool

  @inline(__always)
  package init(_ usage: FrameUsage, isUntyped: Bool) {
    self.usage = usage
    self.isUntyped = isUntyped
  }
}

/// Marks what may be read and written as plain memory.
public protocol UntypedContents: ~Copyable {}

extension FrameMetadata where Self: ~Copyable {
  @inline(__always) public static var role: FrameRole { FrameRole(.object, isUntyped: false) }
  @inline(__always) public static var hasDestructor: Bool { true }
  public mutating func onDrop(_ contents: FrameContents) {}

  /// The body of every `destructor`: calls `onDrop`, then destroys the metadata in place.
  ///
  /// Only for use in `destructor`, whose caller owns the frame and its initialised metadata.
  @inline(__always)
  @unsafe public static func destroy(at storage: UnsafeMutableRawPointer) {
    // SAFETY: the slot's kind says that a `Self` is stored there, and that nobody else has the
    // frame.
    let slot = unsafe FrameSlotReference(storage.assumingMemoryBound(to: FrameSlot.self))
    // SAFETY: as above.
    let metadata = unsafe storage.assumingMemoryBound(to: Self.self)
    unsafe metadata.pointee.onDrop(FrameContents(of: slot.address, size: slot.kind.size))
    unsafe metadata.deinitialize(count: 1)
  }
}

extension UntypedFrameMetadata where Self: ~Copyable {
  @inline(__always) public static var role: FrameRole { FrameRole(.object, isUntyped: true) }
}

/// Metadata of memory about which there is nothing to remember.
public struct PlainMemory: UntypedFrameMetadata {
  @inline(__always) public init() {}
  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor { { unsafe PlainMemory.destroy(at: $0) } }
  @inline(__always) public static var hasDestructor: Bool { false }
}

/// Stands for metadata of a type that is not known here.
public enum AnyMetadata {}

/// Stands for untyped metadata of a type that is not known here.
public enum AnyUntypedMetadata: UntypedContents {}

/// The bytes of a frame that is being unmade, for `onDrop` to look at.
public struct FrameContents: ~Escapable {
  /// The first byte of the frame.
  public let address: PhysicalAddress
  public let size: PageSize

  @_lifetime(immortal)
  package init(of address: PhysicalAddress, size: PageSize) {
    self.address = address
    self.size = size
  }

  /// The 64-bit word at `index`. Traps beyond the frame.
  public func word(at index: Int) -> UInt64 {
    require(
      index >= 0 && UInt64(index) < size.byteCount / 8, "a word was read beyond its frame", address)
    // SAFETY: the word is in the frame, which the caller of `onDrop` has to itself.
    return unsafe PhysicalMemory.pointer(to: address).load(
      fromByteOffset: index * 8, as: UInt64.self)
  }
}
