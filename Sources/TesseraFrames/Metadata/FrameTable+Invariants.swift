public import TesseraHardware

extension FrameTable {
  /// Calls `report` once for each rule of a slot that does not hold, with the frame's address.
  ///
  /// Visits every slot. Nothing else may touch frames meanwhile, so that no slot is on its way from
  /// one state to another.
  public static func checkInvariants(_ report: (StaticString, PhysicalAddress) -> Void) {
    for number in 0..<frameCount {
      let slot = slot(number: number)
      checkPlace(of: slot, number: number, report)
      checkCount(of: slot, report)
      checkKind(of: slot, report)
    }
  }

  /// Slots and frames belong to each other one to one.
  private static func checkPlace(
    of slot: FrameSlotReference, number: UInt64,
    _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let address = PhysicalAddress(number << 12)
    if slot.bits % 64 != 0 { report("a slot lies at a multiple of 64", address) }
    if slot.address != address { report("a slot leads to the frame that leads to it", address) }
    if (try? FrameTable.slot(at: address)) != slot {
      report("an address leads to the slot of its frame", address)
    }
  }

  private static func checkCount(
    of slot: FrameSlotReference, _ report: (StaticString, PhysicalAddress) -> Void
  ) {
    let count = slot.count
    if count == ReferenceCount.inTransition {
      report("no frame is being made or unmade while nothing happens", slot.address)
    }
    if count > ReferenceCount.maximum && count < ReferenceCount.tail {
      report("a count is a number of owners or one of the named states", slot.address)
    }
    if count != ReferenceCount.unique && slot.isLinked {
      report("only a unique frame is in a list", slot.address)
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
        report("an unused frame is of no kind", slot.address)
      }
    case ReferenceCount.free:
      if FrameAllocator.isExternal {
        report("no frame is kept free if the kernel has an allocator of its own", slot.address)
      }
      if kind != .plain && kind != .cached && kind.freeBlockOrder == nil {
        report("a free frame is of a free kind", slot.address)
      }
    case ReferenceCount.tail:
      let head = slot.head
      if kind.usage != .tail { report("a part of a larger frame says so", slot.address) }
      if head.count == ReferenceCount.tail || head.kind.size != kind.size || head == slot {
        report("a part of a larger frame leads to its first slot", slot.address)
      }
    default:
      if !kind.hasMetadata { report("a frame in use has metadata", slot.address) }
      if kind.freeBlockOrder != nil { report("no free block starts in use", slot.address) }
      if kind.usage == .unused || kind.usage == .external {
        report("a frame in use has a usage", slot.address)
      }
      if kind.isCached { report("a frame in use is in no cache", slot.address) }
    }
  }
}

/// How many frames have each state, and each usage if they are in use.
public struct FrameCensus: Equatable, Sendable {
  /// Frames that nobody owns and the allocator does not have: the kernel's allocator has them, if
  /// there is one.
  public var unused: UInt64 = 0
  /// Frames that the allocator has.
  public var free: UInt64 = 0
  /// Frames with one owner who does not share.
  public var unique: UInt64 = 0
  /// Frames with owners that are counted.
  public var shared: UInt64 = 0
  private var usages = [16 of UInt64](repeating: 0)

  /// How many frames are in use for `usage`.
  public func count(of usage: FrameUsage) -> UInt64 { usages[Int(usage.rawValue)] }

  public static func == (left: FrameCensus, right: FrameCensus) -> Bool {
    for index in 0..<16 where left.usages[index] != right.usages[index] { return false }
    return left.unused == right.unused && left.free == right.free && left.unique == right.unique
      && left.shared == right.shared
  }

  fileprivate mutating func add(_ slot: FrameSlotReference) {
    switch slot.count {
    case ReferenceCount.unused: unused += 1
    case ReferenceCount.free: free += 1
    case ReferenceCount.unique: unique += 1
    default: shared += 1
    }
    usages[Int(slot.kind.usage.rawValue)] += 1
  }
}

extension FrameTable {
  /// Counts all frames. Exact while nothing else touches them.
  public static var census: FrameCensus {
    var census = FrameCensus()
    for number in 0..<frameCount { census.add(slot(number: number)) }
    return census
  }
}
