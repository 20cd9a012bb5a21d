internal import TesseraFrames
public import TesseraHardware

extension Heap {
  /// Calls `report` once for each violated invariant of a slab, with the slab's address.
  ///
  /// Visits every frame. Nothing else may use the heap meanwhile.
  public static func checkInvariants(_ report: (StaticString, PhysicalAddress) -> Void) {
    var slabCount: UInt64 = 0
    for number in 0..<FrameTable.frameCount {
      let slot = FrameTable.slot(number: number)
      guard slot.kind.isSlab, slot.count == ReferenceCount.unique else { continue }
      slabCount += 1
      check(slot, report)
    }
    if slabCount != statistics.slabCount {
      report("the number of slabs is not what is counted", PhysicalAddress(0))
    }
  }

  private static func check(
    _ slot: FrameSlotReference, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let place = slot.slabPlace
    guard place.sizeClass < SizeClass.count, let heap = ProcessorHeap(of: place.owner) else {
      return report("a slab has no class or no owner", slot.address)
    }
    let objectCount = SizeClass.objectCount(of: place.sizeClass)
    for group in 0..<Slab.groupCount {
      let count = min(64, max(0, objectCount - group * 64))
      let there: UInt64 = count == 0 ? 0 : .max >> UInt64(64 - count)
      if slot.freeBits(ofGroup: group) & ~there != 0 {
        report("an object behind the end of a slab is free", slot.address)
      }
    }
    // SAFETY: nothing else uses the heap.
    let isCurrent = unsafe heap.cache(place.sizeClass).pointee.current == slot
    if isCurrent && slot.isLinked { report("the current slab is in the list", slot.address) }
    if !isCurrent && slot.isLinked != (slot.freeObjectCount > 0) {
      report("a slab is in the list, or not, against its free objects", slot.address)
    }
    if let next = place.next, !next.isLinked || next.slabPlace.sizeClass != place.sizeClass {
      report("a slab is followed by one of another list", slot.address)
    }
  }
}
