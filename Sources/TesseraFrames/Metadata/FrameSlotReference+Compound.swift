package import TesseraHardware

// Compound frames: frames of 2 MiB and 1 GiB. The slot of the first 4 KiB frame, the head, has the
// count and the metadata. The slots of the others, the tails, only lead to the head.
extension FrameSlotReference {
  /// The slot that has the reference count: this one, or the head's if this is a tail.
  @inline(__always)
  package var head: FrameSlotReference {
    count == ReferenceCount.tail ? headOfTail : self
  }

  private var headOfTail: FrameSlotReference {
    @inline(never) get {
      let size = kind.size
      return FrameTable.slot(number: FrameTable.number(of: self) & ~(size.frameCount &- 1))
    }
  }

  /// Makes one compound frame of `size`, with this frame as its head.
  ///
  /// The caller alone owns all of its frames. The head has its metadata already, and the caller
  /// publishes it afterwards.
  package func makeCompound(_ size: PageSize) {
    setKind(kind.sized(size))
    for index in 1..<Int(size.frameCount) {
      let tail = advanced(by: index)
      tail.setKind(.tail(of: size))
      tail.setCount(ReferenceCount.tail)
    }
  }

  /// Merges contiguous 4 KiB frames, from this one on, into one compound frame of `size`.
  ///
  /// All of them must be of this frame's kind, without a destructor, and have one reference each,
  /// which the caller holds. In their stead the caller then holds one reference of the compound
  /// frame. Returns false, with nothing changed, if a frame does not qualify.
  package func mergeIntoCompound(_ size: PageSize) -> Bool {
    let kind = kind
    guard kind.size == .fourKiB, kind.isAllocated, !kind.hasDestructor else { return false }
    for index in 0..<Int(size.frameCount) {
      let slot = advanced(by: index)
      guard slot.kind == kind, slot.makeUnique() else {
        for earlier in 0..<index { advanced(by: earlier).publishShared() }
        return false
      }
    }
    makeCompound(size)
    publishShared()
    return true
  }
}
