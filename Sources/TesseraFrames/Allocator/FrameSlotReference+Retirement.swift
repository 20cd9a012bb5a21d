internal import TesseraHardware

extension FrameSlotReference {
  /// Destroys a frame whose last reference was dropped, and returns it to where it came from.
  ///
  /// The count is `inTransition` or `unique`: only the caller owns the frame. If a destructor
  /// calls this, the frame is destroyed and freed once that has returned.
  @inline(__always)
  package func retire() {
    guard kind.isTriviallyFreed else { return retireSlow() }
    FrameAllocator.freeSlot(self)
  }

  /// Like `retire`, for frames of any kind.
  ///
  /// A function of its own, because the calls for compound frames and destructors would make every
  /// last drop save registers.
  @inline(never)
  private func retireSlow() {
    guard kind.hasDestructor else { return free(of: kind) }
    if let kind = DestructorQueue.destroyMetadata(of: self) { free(of: kind) }
  }

  /// Returns a frame that was of `kind`, and whose metadata is destroyed, to where it came from.
  @inline(never)
  func free(of kind: FrameKind) {
    if kind.size != .fourKiB {
      freeCompound(kind.size)
    } else if kind.isAllocated {
      FrameAllocator.freeSlot(self)
    } else {
      SimulationHooks.frameFreed(at: address, byteCount: PageSize.fourKiB.byteCount)
      makeUnowned(as: .none)
    }
  }

  /// Frees a compound frame of `size` whose metadata is destroyed. Only the caller owns it.
  private func freeCompound(_ size: PageSize) {
    let frameCount = Int(size.frameCount)
    for index in 0..<frameCount { FrameAllocator.makeFree(advanced(by: index)) }
    FrameAllocator.freeRun(self, frameCount: frameCount)
  }
}
