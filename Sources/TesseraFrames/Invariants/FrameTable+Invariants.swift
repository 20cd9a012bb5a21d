public import TesseraHardware

extension FrameTable {
  /// Calls `report` once for each violated invariant of a slot, with the frame's address.
  ///
  /// Visits every slot. Nothing else may use frames meanwhile, so that no slot is in transition
  /// from one state to another.
  public static func checkInvariants(_ report: (StaticString, PhysicalAddress) -> Void) {
    for number in 0..<frameCount {
      let slot = slot(number: number)
      checkPlace(of: slot, number: number, report)
      checkCount(of: slot, report)
      checkKind(of: slot, report)
    }
  }

  /// Checks that slots and frames correspond one to one.
  private static func checkPlace(
    of slot: FrameSlotReference, number: UInt64,
    _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let address = PhysicalAddress(number << 12)
    if slot.bits % 64 != 0 { report("slot is not aligned to 64 bytes", address) }
    if slot.address != address { report("slot leads to another frame", address) }
    if (try? FrameTable.slot(at: address)) != slot {
      report("address leads to the slot of another frame", address)
    }
  }

  private static func checkCount(
    of slot: FrameSlotReference, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let count = slot.count
    if count == ReferenceCount.inTransition {
      report("frame is still being constructed or destroyed", slot.address)
    }
    if count > ReferenceCount.maximum && count < ReferenceCount.tail {
      report("count is neither a number of owners nor a state", slot.address)
    }
    if count != ReferenceCount.unique && slot.isLinked {
      report("frame in a list is not unique", slot.address)
    }
  }

  private static func checkKind(
    of slot: FrameSlotReference, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let kind = slot.kind
    switch slot.count {
    case ReferenceCount.unused:
      let isExternal = kind == .external && FrameAllocator.isExternal
      if kind != .none && kind != .plain && !isExternal {
        report("unused frame has a kind", slot.address)
      }
    case ReferenceCount.free:
      if FrameAllocator.isExternal {
        report("frame is free although the kernel has its own allocator", slot.address)
      }
      if kind != .plain && kind != .cached && kind.freeBlockOrder == nil {
        report("free frame has the kind of a frame in use", slot.address)
      }
    case ReferenceCount.tail:
      let head = slot.head
      if kind.usage != .tail { report("tail frame does not have the usage of one", slot.address) }
      if head.count == ReferenceCount.tail || head.kind.size != kind.size || head == slot {
        report("tail frame does not lead to a head of its size", slot.address)
      }
    default:
      checkKindInUse(kind, at: slot.address, report)
    }
  }

  private static func checkKindInUse(
    _ kind: FrameKind, at address: PhysicalAddress,
    _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    if !kind.hasMetadata { report("frame in use has no metadata", address) }
    if kind.freeBlockOrder != nil { report("frame in use starts a free block", address) }
    if kind.usage == .unused || kind.usage == .external {
      report("frame in use has no usage", address)
    }
    if kind.isCached { report("frame in use has the kind of a cached frame", address) }
  }
}
