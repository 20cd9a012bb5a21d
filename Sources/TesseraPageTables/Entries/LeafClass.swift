package import TesseraHardware

/// Leaves that a change treats alike, told by one of them: whatever it does to that one it does
/// to all of them by turning over the same bits.
///
/// Where their memory is they differ, and in bits that the change does not look at. So of most
/// leaves of a run no more needs to be looked at than whether they are of this kind.
@frozen
package struct LeafClass: Sendable {
  /// The bits in which they agree, and what these are.
  private let deciding: UInt64
  private let agreed: UInt64
  /// The bits that the change turns over.
  private let flipped: UInt64

  /// Those like `leaf`, of which the change makes `new`. It looks at no other bits than the marks
  /// of a leaf, whether it is present and writable, and `changed`, and changes no other bits than
  /// `changed` but perhaps all of the address.
  @inline(__always)
  package init(_ leaf: PageTableEntry, becoming new: PageTableEntry, changing changed: UInt64) {
    // A processor may set the dirty bit of what is writable, which decides how to change it.
    let dirty = leaf.rawValue & PageTableEntry.writable != 0 ? PageTableEntry.dirty : 0
    deciding =
      changed | PageTableEntry.leafBit | PageTableEntry.ownsFrameBit | PageTableEntry.present
      | PageTableEntry.writable | dirty
    agreed = leaf.rawValue & deciding
    flipped = leaf.rawValue ^ new.rawValue
  }

  /// Whether `entry` is one of them.
  @inline(__always)
  package func contains(_ entry: PageTableEntry) -> Bool { entry.rawValue & deciding == agreed }

  /// What the change makes of `leaf`, one of them.
  @inline(__always)
  package func changed(_ leaf: PageTableEntry) -> PageTableEntry {
    PageTableEntry(rawValue: leaf.rawValue ^ flipped)
  }

  /// Whether the change leaves them as they are.
  @inline(__always)
  package var isUnchanged: Bool { flipped == 0 }
}
