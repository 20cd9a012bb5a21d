internal import Synchronization
package import TesseraHardware

/// A reference to a slot: one word, found once and then passed around.
///
/// SAFETY: two contracts make it safe to hold and to use. Slots are never deallocated while Tessera
/// runs, so the pointer is always valid. And every field is atomic except the storage, which
/// `storage(as:)` returns as an unsafe pointer.
@safe
public struct FrameSlotReference: Equatable, @unchecked Sendable {
  /// SAFETY: safe to dereference, because only the table makes references, and for slots that it
  /// has.
  @safe let pointer: UnsafeMutablePointer<FrameSlot>

  /// The caller guarantees that `pointer` points into the installed table.
  @inline(__always)
  @unsafe package init(_ pointer: UnsafeMutablePointer<FrameSlot>) { unsafe self.pointer = pointer }

  /// The address of the slot itself.
  @inline(__always)
  package var bits: UInt { UInt(bitPattern: pointer) }

  @inline(__always)
  public static func == (left: FrameSlotReference, right: FrameSlotReference) -> Bool {
    left.bits == right.bits
  }

  /// The address of the frame that the slot describes.
  @inline(__always)
  package var address: PhysicalAddress {
    PhysicalAddress(unchecked: FrameTable.number(of: self) &<< 12)
  }

  /// The slot `frameCount` frames further on.
  ///
  /// - Precondition: The table has that slot, or `frameCount` leads just past its last slot.
  @inline(__always)
  package func advanced(by frameCount: Int) -> FrameSlotReference {
    // SAFETY: the result stays within the table, by the precondition.
    unsafe FrameSlotReference(pointer + frameCount)
  }
}

extension FrameSlotReference {
  /// The current count.
  @inline(__always)
  package var count: UInt64 {
    // Ordering: relaxed; a caller that relies on more than the number orders it by an exchange of
    // the count.
    pointer.pointee.referenceCount.load(ordering: .relaxed)
  }

  /// Sets the count, and publishes everything that the caller wrote to the next owner.
  @inline(__always)
  package func setCount(_ value: UInt64) {
    // Ordering: releasing, pairs with the acquiring exchanges in `claim`, `acquire` and
    // `makeUnique`, and with the allocator's lock: the next owner sees the metadata and the kind.
    pointer.pointee.referenceCount.store(value, ordering: .releasing)
  }

  /// The kind, on which the caller may rely if it owns the frame.
  @inline(__always)
  package var kind: FrameKind {
    // Ordering: relaxed; what an owner reads was ordered when it got its reference.
    FrameKind(rawValue: pointer.pointee.kind.load(ordering: .relaxed))
  }

  @inline(__always)
  package func setKind(_ kind: FrameKind) {
    // Ordering: relaxed; the releasing store of the count that follows publishes it.
    pointer.pointee.kind.store(kind.rawValue, ordering: .relaxed)
  }

  /// The slot's storage, as a pointer to a `Value`.
  ///
  /// The caller owns the frame, and guarantees that a `Value` is stored at `byteOffset`, or fits
  /// there and is aligned if it is about to be stored.
  @inline(__always)
  @unsafe package func storage<Value: ~Copyable>(
    as _: Value.Type, at byteOffset: Int = 0
  ) -> UnsafeMutablePointer<Value> {
    unsafe (UnsafeMutableRawPointer(pointer) + byteOffset).assumingMemoryBound(to: Value.self)
  }
}
