package import TesseraHardware

// What an entry says of pages that are not mapped. A status has a kind and a payload; all but the
// bare ones also have the property that the pages will have:
//
// | bits   | meaning |
// |--------|---------|
// | 11     | the entry is a status |
// | 12-51  | inverted payload of 32 bits; of a page that the pager has, the number of what it is
// |        | in, and in the highest bit whether that is an object |
// | 52, 53 | software bits of the property |
// | 54     | user |
// | 56     | shared |
// | 57, 58 | readable, writable |
// | 59, 60 | kind |
// | 61, 62 | PWT and PCD, which select the cache policy |
// | 63     | no execution |
//
// The lowest byte is zero, which tells a status from a table.

extension PageTableEntry {
  /// The entry is not present and carries a status.
  package static var statusBit: UInt64 { 1 << 11 }

  private static var statusUser: UInt64 { 1 << 54 }
  private static var statusReadable: UInt64 { 1 << 57 }
  private static var demandZeroKind: UInt64 { 1 << 59 }
  private static var pendingKind: UInt64 { 2 << 59 }
  /// The page is the pager's: it is in swap, or is one of a memory object.
  private static var pagedKind: UInt64 { 3 << 59 }
  private static var kindMask: UInt64 { 3 << 59 }
  private static var statusCacheMask: UInt64 { 3 << 61 }

  /// Creates an entry that maps nothing and carries `payload`, at any level.
  @inline(__always)
  package static func status(_ payload: UInt32) -> PageTableEntry {
    PageTableEntry(rawValue: (UInt64(payload) &<< 12) ^ addressMask | statusBit)
  }

  /// Creates an entry for pages with `property` that appear, filled with zeros, when they are used.
  package static func demandZero(_ property: PageProperty) -> PageTableEntry {
    PageTableEntry(rawValue: status(0).rawValue | statusBits(of: property) | demandZeroKind)
  }

  /// Creates an entry for pages with `property` that the kernel supplies when they are used, and
  /// knows by `payload`.
  package static func pending(_ payload: UInt32, _ property: PageProperty) -> PageTableEntry {
    PageTableEntry(rawValue: status(payload).rawValue | statusBits(of: property) | pendingKind)
  }

  /// Creates an entry for a page with `property` whose contents are in slot `slot` of the swap
  /// store. It owns a reference of the slot; see `SwapSlots`.
  package static func swapped(_ slot: UInt32, _ property: PageProperty) -> PageTableEntry {
    paged(slot, property)
  }

  /// Creates an entry for pages with `property` that are pages of a memory object, which the pager
  /// knows by `number`.
  package static func object(_ number: UInt32, _ property: PageProperty) -> PageTableEntry {
    paged(number | objectFlag, property)
  }

  private static func paged(_ payload: UInt32, _ property: PageProperty) -> PageTableEntry {
    PageTableEntry(rawValue: status(payload).rawValue | statusBits(of: property) | pagedKind)
  }

  /// What tells the number of an object from that of a slot.
  package static var objectFlag: UInt32 { 1 << 31 }

  /// A Boolean value indicating whether the entry is for pages that appear, filled with zeros.
  @inline(__always)
  package var isDemandZero: Bool { isStatus && rawValue & Self.kindMask == Self.demandZeroKind }

  /// A Boolean value indicating whether the entry is for a page that the pager has.
  @inline(__always)
  package var isPaged: Bool { isStatus && rawValue & Self.kindMask == Self.pagedKind }

  /// The slot of the swap store that the entry owns a reference of, if it does.
  package var swapSlot: UInt32? {
    guard isPaged else { return nil }
    let payload = UInt32(truncatingIfNeeded: ~rawValue &>> 12)
    return payload & Self.objectFlag == 0 ? payload : nil
  }

  /// The number of the memory object, if the entry is for a page of one.
  package var objectNumber: UInt32? {
    if isPaged, case .object(let number, _) = vacantContent { return number }
    return nil
  }

  /// A Boolean value indicating whether the entry maps nothing and carries a status.
  @inline(__always)
  package var isStatus: Bool {
    rawValue & (Self.present | Self.leafBit | Self.statusBit) == Self.statusBit
  }

  /// A Boolean value indicating whether the entry is a status with a property.
  @inline(__always)
  package var isStatusWithProperty: Bool { isStatus && rawValue & Self.kindMask != 0 }

  /// The payload of a status without a property; nil if the entry is none.
  package var status: UInt32? {
    if isStatus, case .status(let payload) = vacantContent { return payload }
    return nil
  }

  /// The content of the pages that the entry, which is no leaf and refers to no table, is for.
  package var vacantContent: PageContent {
    guard isStatus else { return .absent }
    let payload = UInt32(truncatingIfNeeded: ~rawValue &>> 12)
    switch rawValue & Self.kindMask {
    case 0: return .status(payload)
    case Self.demandZeroKind: return .demandZero(statusProperty)
    case Self.pendingKind: return .pending(payload, statusProperty)
    default:
      return payload & Self.objectFlag == 0
        ? .swapped(payload, statusProperty)
        : .object(payload & ~Self.objectFlag, statusProperty)
    }
  }

  /// The entry, a status with a property, with the rights and whatever else `change` changes.
  package func changed(by change: LeafChange) -> PageTableEntry {
    let new = change.applied(to: leafOfStatus).property(size: .fourKiB)
    let others = rawValue & (Self.addressMask | Self.statusBit | Self.kindMask)
    return PageTableEntry(rawValue: others | Self.statusBits(of: new))
  }

  /// A leaf with the property of the pages of a status that has one.
  package var leafOfStatus: PageTableEntry {
    .leaf(at: PhysicalAddress(0), property: statusProperty, size: .fourKiB, ownsFrame: false)
  }

  /// The bits of a status for the parts of `property` that pages have before they are used.
  private static func statusBits(of property: PageProperty) -> UInt64 {
    let kept = property.bits & (softwareMask | shared | noExecute)
    let rights = property.bits & (present | writable)
    return kept | rights &* statusReadable
      | (property.bits & cacheMask) &<< 58
      | (property.bits & user != 0 ? statusUser : 0)
  }

  /// The property of the pages of a status that has one.
  package var statusProperty: PageProperty {
    let kept = rawValue & (Self.softwareMask | Self.shared | Self.noExecute)
    let rights = rawValue &>> 57 & (Self.present | Self.writable)
    return PageProperty(
      entryBits: kept | rights
        | (rawValue & Self.statusCacheMask) &>> 58
        | (rawValue & Self.statusUser != 0 ? Self.user : 0))
  }

  /// Whether the entry, a status, has a bit that no status has.
  var violatesStatusForm: Bool {
    switch vacantContent {
    case .status(let payload): self != .status(payload)
    case .demandZero(let property): self != .demandZero(property)
    case .pending(let payload, let property): self != .pending(payload, property)
    case .swapped(let slot, let property): self != .swapped(slot, property)
    case .object(let number, let property): self != .object(number, property)
    case .absent, .mapped: true
    }
  }
}
