internal import Synchronization
internal import TesseraFaults
internal import TesseraFrames
internal import TesseraHardware

/// The metadata of a page's frame, of which the holder of this has a reference.
struct PageReference: Equatable {
  let slot: FrameSlotReference

  /// The page of the frame of `slot`, if it has one. The caller has a reference of the frame.
  init?(_ slot: FrameSlotReference) {
    guard slot.kind.hasSameMetadata(as: .of(PageMetadata.self)) else { return nil }
    self.slot = slot
  }

  var address: PhysicalAddress { slot.address }
  var owner: PageOwner { metadata { $0.owner } }

  /// The number of the page among the owner's.
  var index: UInt64 {
    // Ordering: relaxed; where the page is is looked up, and a page that has moved since is missed.
    get { metadata { $0.index.load(ordering: .relaxed) } }
    nonmutating set {
      // Ordering: relaxed; as above.
      metadata { $0.index.store(newValue, ordering: .relaxed) }
    }
  }

  @inline(__always)
  private func metadata<Result>(_ body: (borrowing PageMetadata) -> Result) -> Result {
    // SAFETY: the kind says that the metadata is this, and the reference keeps it.
    unsafe body(slot.storage(as: PageMetadata.self).pointee)
  }
}

// Flags and age.
extension PageReference {
  private var state: UInt32 {
    // Ordering: acquiring, pairs with `update`: what was done before a flag was changed.
    metadata { $0.state.load(ordering: .acquiring) }
  }

  /// Changes the state by `change`, unless that returns nil. Returns the old state, or nil.
  @discardableResult
  private func update(_ change: (UInt32) -> UInt32?) -> UInt32? {
    var old = state
    while true {
      guard let new = change(old) else { return nil }
      // Ordering: acquiring and releasing, pairs with itself and the load: flags hand the page
      // over.
      let (isExchanged, found) = metadata {
        $0.state.compareExchange(
          expected: old, desired: new, ordering: .acquiringAndReleasing)
      }
      if isExchanged { return old }
      old = found
    }
  }

  private static var flagMask: UInt32 { 1 << PageMetadata.ageShift - 1 }

  /// The flags; dirty also if it was written through a mapping that is gone.
  var flags: PageFlags {
    let flags = PageFlags(rawValue: state & Self.flagMask)
    return slot.isWritten ? flags.union(.dirty) : flags
  }

  func has(_ flags: PageFlags) -> Bool { self.flags.contains(flags) }

  /// Whether the page can be used, by the flags of one moment: a transfer may finish at any.
  var readiness: PageReadiness {
    let flags = PageFlags(rawValue: state & Self.flagMask)
    if flags.contains(.upToDate) { return .usable }
    return flags.contains(.locked) ? .beingRead : .unreadable
  }

  func add(_ flags: PageFlags) { update { $0 | flags.rawValue } }

  func remove(_ flags: PageFlags) { update { $0 & ~flags.rawValue } }

  /// Removes `removed` and then adds `added`.
  func change(removing removed: PageFlags, adding added: PageFlags) {
    update { $0 & ~removed.rawValue | added.rawValue }
  }

  /// Sets the flag `locked`. Returns false if it was set.
  func tryLock() -> Bool {
    update { $0 & PageFlags.locked.rawValue != 0 ? nil : $0 | PageFlags.locked.rawValue } != nil
  }

  func unlock() { remove(.locked) }

  /// Forgets that the page is dirty. Returns whether it was.
  func takeDirty() -> Bool {
    let wasWritten = slot.takeWritten()
    let old = update { $0 & ~PageFlags.dirty.rawValue } ?? 0
    return wasWritten || old & PageFlags.dirty.rawValue != 0
  }

  /// From 0, the oldest, to 15.
  var age: UInt32 { state >> PageMetadata.ageShift }

  /// Makes the page a step younger if it `wasUsed`, or else a step older. Returns its age.
  func makeOlder(_ wasUsed: Bool) -> UInt32 {
    var age: UInt32 = 0
    update { old in
      let oldAge = old >> PageMetadata.ageShift
      age = wasUsed ? min(oldAge + 1, Self.oldestAge) : max(oldAge, 1) - 1
      var flags = PageFlags(rawValue: old & Self.flagMask)
      flags = wasUsed ? flags.union(.referenced) : flags.subtracting(.referenced)
      flags = age > 2 ? flags.union(.active) : flags.subtracting(.active)
      return flags.rawValue | age << PageMetadata.ageShift
    }
    return age
  }

  /// How many steps a page that is always used is from being reclaimed.
  private static var oldestAge: UInt32 { 4 }
}

// The slot of the swap store.
extension PageReference {
  /// The slot that may hold the contents.
  var swapSlot: UInt32? {
    get {
      // Ordering: relaxed; a hint, which `SwapSlots.holds` checks.
      let value = metadata { $0.swapSlot.load(ordering: .relaxed) }
      return value == 0 ? nil : value - 1
    }
    nonmutating set {
      // Ordering: relaxed; as above.
      metadata { $0.swapSlot.store(newValue.map { $0 + 1 } ?? 0, ordering: .relaxed) }
    }
  }
}
