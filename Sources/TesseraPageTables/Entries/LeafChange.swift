package import TesseraHardware

/// A change of leaves, made once for a run of them. Addresses, counts, and the accessed and dirty
/// bits stay.
@frozen
package struct LeafChange: Sendable {
  /// The bits that stay.
  private let kept: UInt64
  /// What a present leaf then gets by exclusive-or: the new bits, and if it ceases to be present
  /// those that invert its address.
  private let flipped: UInt64

  /// Gives leaves all of `property` but whether they are accessed and dirty.
  @inline(__always)
  package init(to property: PageProperty, mode: PagingMode = .current) {
    let lasting = PageTableEntry.accessed | PageTableEntry.dirty
    self.init(changing: PageTableEntry.propertyMask & ~lasting, to: property, mode)
  }

  /// Gives leaves other access, and leaves them everything else.
  @inline(__always)
  package init(to access: PageAccess, mode: PagingMode = .current) {
    self.init(changing: PageTableEntry.accessMask, to: PageProperty(access), mode)
  }

  @inline(__always)
  private init(changing changed: UInt64, to property: PageProperty, _ mode: PagingMode) {
    kept = ~changed
    let bits = property.bits & changed
    flipped =
      (mode.hasNoExecute ? bits : bits & ~PageTableEntry.noExecute)
      | (property.access == .none ? PageTableEntry.addressMask : 0)
  }

  /// What a leaf becomes.
  @inline(__always)
  package func applied(to leaf: PageTableEntry) -> PageTableEntry {
    PageTableEntry(rawValue: leaf.rawValue & kept ^ flipped ^ leaf.inversion)
  }

  /// The leaves that the change treats like `leaf`.
  @inline(__always)
  package func leaves(like leaf: PageTableEntry) -> LeafClass {
    LeafClass(leaf, becoming: applied(to: leaf), changing: ~kept)
  }
}
