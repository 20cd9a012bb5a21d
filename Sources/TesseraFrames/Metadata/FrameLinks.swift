internal import Synchronization

/// The neighbours of a frame in a doubly linked list.
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
  /// The links of a frame in a `FrameList`, stored after its metadata.
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

  /// The links of the first frame of a free block, stored where a frame in use has its metadata.
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

// The encoding of `FrameSlot.membership`, which no other file knows.
extension FrameSlotReference {
  /// A Boolean value indicating whether the frame is in a list or in a deferred free chain.
  @inline(__always)
  package var isLinked: Bool {
    // Ordering: relaxed; as for `membership`.
    pointer.pointee.membership.load(ordering: .relaxed) != 0
  }

  /// The identifier of the `FrameList` that the frame is in, or 0 if it is in none.
  ///
  /// Access: by the owner of the list; to others only a hint.
  @inline(__always)
  package var listIdentifier: UInt64 {
    let word = membership
    return word & 1 == 0 ? word >> 2 : 0
  }

  /// Sets the identifier of the list that the frame is in: nonzero, below 2^46, or 0 for none.
  @inline(__always)
  package func setListIdentifier(_ identifier: UInt64) {
    setMembership(identifier == 0 ? 0 : identifier << 2 | 2)
  }

  /// The next frame of the deferred free chain that this frame is in, or nil at its end.
  ///
  /// A deferred free chain holds unique frames that are freed after a TLB flush. It needs no memory
  /// but this word. Reading the link of a frame that is in no chain is an error.
  ///
  /// Access: by the owner of the chain.
  @inline(__always)
  package var deferredLink: FrameSlotReference? {
    get {
      let word = membership
      return word == 1 ? nil : FrameTable.slot(number: (word &- 3) >> 1)
    }
    nonmutating set {
      guard let newValue else { return setMembership(1) }
      setMembership(FrameTable.number(of: newValue) << 1 &+ 3)
    }
  }

  /// Removes the frame from its deferred free chain and returns the next frame of the chain.
  @inline(__always)
  package func removeDeferredLink() -> FrameSlotReference? {
    let next = deferredLink
    setMembership(0)
    return next
  }

  @inline(__always)
  private var membership: UInt64 {
    // Ordering: relaxed; only the owner of the list or chain relies on the value, and it wrote it.
    let lower = pointer.pointee.membership.load(ordering: .relaxed)
    // Ordering: relaxed; as above.
    let upper = pointer.pointee.upperMembership.load(ordering: .relaxed)
    return UInt64(upper) << 32 | UInt64(lower)
  }

  @inline(__always)
  private func setMembership(_ word: UInt64) {
    // Ordering: relaxed; see the getter.
    pointer.pointee.membership.store(UInt32(truncatingIfNeeded: word), ordering: .relaxed)
    // Ordering: relaxed; see the getter.
    pointer.pointee.upperMembership.store(
      UInt16(truncatingIfNeeded: word >> 32), ordering: .relaxed)
  }
}
