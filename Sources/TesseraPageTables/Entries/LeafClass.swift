package import TesseraHardware

/// A class of leaf entries that a change updates by flipping the same bits.
///
/// They may differ in the address and in bits that the change ignores; one masked compare per leaf
/// decides membership, so most leaves of a run are not decoded.
@frozen
package struct LeafClass: Sendable {
  /// The bits in which all members agree, and their values.
  private let deciding: UInt64
  private let agreed: UInt64
  /// The bits that the change flips.
  private let flipped: UInt64

  /// The class of `leaf`, which the change turns into `new`. The change depends on no bits but the
  /// software bits, present, writable and `changed`, and changes none but `changed`, except perhaps
  /// all address bits at once.
  @inline(__always)
  package init(_ leaf: PageTableEntry, becoming new: PageTableEntry, changing changed: UInt64) {
    // The processor may set the dirty bit of a writable page, which decides how to change it.
    let dirty = leaf.rawValue & PageTableEntry.writable != 0 ? PageTableEntry.dirty : 0
    deciding =
      changed | PageTableEntry.leafBit | PageTableEntry.ownsFrameBit | PageTableEntry.present
      | PageTableEntry.writable | PageTableEntry.forkMask | PageTableEntry.shared | dirty
    agreed = leaf.rawValue & deciding
    flipped = leaf.rawValue ^ new.rawValue
  }

  /// Whether `entry` belongs to the class.
  @inline(__always)
  package func contains(_ entry: PageTableEntry) -> Bool { entry.rawValue & deciding == agreed }

  /// The entry that `leaf`, a member, becomes.
  @inline(__always)
  package func changed(_ leaf: PageTableEntry) -> PageTableEntry {
    PageTableEntry(rawValue: leaf.rawValue ^ flipped)
  }

  /// Whether the change leaves members as they are.
  @inline(__always)
  package var isUnchanged: Bool { flipped == 0 }
}
