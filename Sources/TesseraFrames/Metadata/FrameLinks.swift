/// The neighbours of a frame in a list.
package struct FrameLinks {
  package var next: FrameSlotReference?
  package var previous: FrameSlotReference?

  @inline(__always)
  package init(next: FrameSlotReference?, previous: FrameSlotReference?) {
    self.next = next
    self.previous = previous
  }
}

extension FrameSlotReference {
  /// The links of a frame in a `FrameList`, behind its metadata.
  ///
  /// Access: by the owner of the list.
  @inline(__always)
  package var listLinks: FrameLinks {
    get {
      // SAFETY: a list stores links there before it reads them, and its metadata ends before them.
      unsafe storage(as: FrameLinks.self, at: FrameSlot.listableByteCount).pointee
    }
    nonmutating set {
      // SAFETY: as for the getter.
      unsafe storage(as: FrameLinks.self, at: FrameSlot.listableByteCount).pointee = newValue
    }
  }

  /// The links of the first frame of a free block, in the place of metadata.
  ///
  /// Access: under the allocator's lock.
  @inline(__always)
  package var freeLinks: FrameLinks {
    get {
      // SAFETY: the allocator stores links there before it reads them; a free frame has no
      // metadata.
      unsafe storage(as: FrameLinks.self).pointee
    }
    nonmutating set {
      // SAFETY: as for the getter.
      unsafe storage(as: FrameLinks.self).pointee = newValue
    }
  }
}
