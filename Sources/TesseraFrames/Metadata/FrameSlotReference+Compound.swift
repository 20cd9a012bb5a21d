package import TesseraHardware

/// Frames of 2 MiB and 1 GiB. The slot of the first 4 KiB counts the owners and has the metadata;
/// the slots of the others only lead there.
extension FrameSlotReference {
  /// The slot that counts the owners of this memory: this one, or that of the larger frame of which
  /// it is a part.
  @inline(__always)
  package var head: FrameSlotReference {
    count == ReferenceCount.tail ? firstSlot : self
  }

  /// The first slot of the larger frame of which this is a part.
  private var firstSlot: FrameSlotReference {
    @inline(never) get {
      let size = kind.size
      return FrameTable.slot(number: FrameTable.number(of: self) & ~(size.frameCount &- 1))
    }
  }

  /// Makes one frame of `size` of as many that the caller alone has, of which this is the first and
  /// has its metadata already.
  package func makeCompound(_ size: PageSize) {
    setKind(kind.sized(size))
    for index in 1..<Int(size.frameCount) {
      let part = advanced(by: index)
      part.setKind(.tail(of: size))
      part.setCount(ReferenceCount.tail)
    }
  }

  /// Gives back a frame of `size` that nobody owns any more and whose metadata is destroyed.
  package func freeCompound(_ size: PageSize) {
    for index in 0..<Int(size.frameCount) {
      FrameAllocator.makeFree(advanced(by: index))
    }
    FrameAllocator.freeRun(self, frameCount: Int(size.frameCount))
  }

  /// Makes one frame of `size` of as many that follow each other from here on, each with the one
  /// owner who asks for this, and metadata that says nothing.
  ///
  /// Says whether that could be done. If not, everything is as it was. The owner has one count of
  /// the large frame then, in the place of all those of the small ones.
  package func mergeIntoCompound(_ size: PageSize) -> Bool {
    let kind = kind
    guard kind.size == .fourKiB, kind.isAllocated, !kind.hasDestructor else { return false }
    for index in 0..<Int(size.frameCount) {
      let slot = advanced(by: index)
      guard slot.kind == kind, slot.makeUnique() else {
        for earlier in 0..<index { advanced(by: earlier).setCount(1) }
        return false
      }
    }
    makeCompound(size)
    setCount(1)
    return true
  }
}
