internal import Synchronization
package import TesseraHardware

/// A slot of the table, found once and then one word to pass around.
///
/// SAFETY: safe to hold, because slots live for ever and only the table makes references.
@safe
public struct FrameSlotReference: Equatable, @unchecked Sendable {
  private let pointer: UnsafeMutablePointer<FrameSlot>

  /// The caller promises that `pointer` points into the installed table.
  @inline(__always)
  @unsafe package init(_ pointer: UnsafeMutablePointer<FrameSlot>) { unsafe self.pointer = pointer }

  /// The address of the slot itself.
  @inline(__always)
  package var bits: UInt {
    // SAFETY: a number; nothing is read through it.
    unsafe UInt(bitPattern: pointer)
  }

  @inline(__always)
  public static func == (left: FrameSlotReference, right: FrameSlotReference) -> Bool {
    left.bits == right.bits
  }

  /// The first byte of the frame that the slot describes.
  @inline(__always)
  package var address: PhysicalAddress {
    PhysicalAddress(unchecked: FrameTable.number(of: self) &<< 12)
  }

  /// The slot of the frame that follows. The caller knows that there is one.
  @inline(__always)
  package func advanced(by frameCount: Int) -> FrameSlotReference {
    // SAFETY: the caller stays within the table.
    unsafe FrameSlotReference(pointer + frameCount)
  }
}

extension FrameSlotReference {
  /// The count, as it is now.
  @inline(__always)
  package var count: UInt64 {
    // SAFETY: slots live for ever.
    // Ordering: relaxed; who needs more than the number orders it by an exchange of the count.
    unsafe pointer.pointee.referenceCount.load(ordering: .relaxed)
  }

  /// The kind, which the caller may rely on if it owns the frame.
  @inline(__always)
  package var kind: FrameKind {
    // SAFETY: slots live for ever.
    // Ordering: relaxed; what an owner reads was ordered when it got its count.
    unsafe FrameKind(rawValue: pointer.pointee.kind.load(ordering: .relaxed))
  }

  @inline(__always)
  package func setKind(_ kind: FrameKind) {
    // SAFETY: slots live for ever.
    // Ordering: relaxed; the releasing store of the count that follows publishes it.
    unsafe pointer.pointee.kind.store(kind.rawValue, ordering: .relaxed)
  }

  /// Moves the count to `value`, which hands everything that the caller wrote to the next holder.
  @inline(__always)
  package func setCount(_ value: UInt64) {
    // SAFETY: slots live for ever.
    // Ordering: releasing, pairs with the acquiring exchanges in `claim`, `take` and `reclaim`, and
    // with the allocator's lock: the next holder sees the metadata and the kind.
    unsafe pointer.pointee.referenceCount.store(value, ordering: .releasing)
  }

  /// The count itself, for the operations on it.
  @inline(__always)
  @unsafe package var counter: UnsafePointer<FrameSlot> { unsafe UnsafePointer(pointer) }

  /// The slot's storage, seen as a `Value`.
  ///
  /// The caller owns the frame, and a `Value` was stored there, fits and is aligned.
  @inline(__always)
  @unsafe package func storage<Value: ~Copyable>(
    as _: Value.Type, at byteOffset: Int = 0
  ) -> UnsafeMutablePointer<Value> {
    unsafe (UnsafeMutableRawPointer(pointer) + byteOffset).assumingMemoryBound(to: Value.self)
  }
}
