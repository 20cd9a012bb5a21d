package import TesseraHardware

/// A change of the property of leaves, prepared once for a run of them. Addresses, ownership, and
/// the accessed and dirty bits stay.
///
/// A leaf whose frame a fork has shared never becomes writable by it: it is marked to be copied.
@frozen
package struct LeafChange: Sendable {
  /// The bits that are kept.
  private let kept: UInt64
  /// What is then applied by exclusive-or to a leaf that was present: the new bits, and the
  /// inversion of the address if it no longer is.
  private let flipped: UInt64

  /// Replaces the property by `property`, except the accessed and dirty bits and what a fork does.
  @inline(__always)
  package init(to property: PageProperty, mode: PagingMode = .current) {
    let lasting =
      PageTableEntry.accessed | PageTableEntry.dirty | PageTableEntry.copyOnWrite
      | PageTableEntry.shared
    self.init(changing: PageTableEntry.propertyMask & ~lasting, to: property, mode)
  }

  /// Replaces the rights, and nothing else.
  @inline(__always)
  package init(to access: PageAccess, mode: PagingMode = .current) {
    self.init(changing: PageTableEntry.accessMask, to: PageProperty(access), mode)
  }

  /// Replaces the bits of the property that are in `changed`.
  @inline(__always)
  package init(
    changing changed: UInt64, to property: PageProperty, _ mode: PagingMode = .current
  ) {
    kept = ~changed
    let bits = property.bits & changed
    flipped =
      (mode.hasNoExecute ? bits : bits & ~PageTableEntry.noExecute)
      | (property.access == .none ? PageTableEntry.addressMask : 0)
  }

  /// Whether the change gives the right to write.
  @inline(__always)
  package var givesWriting: Bool { flipped & PageTableEntry.writable != 0 }

  /// The leaf that `leaf` becomes.
  @inline(__always)
  package func applied(to leaf: PageTableEntry) -> PageTableEntry {
    let new = PageTableEntry(rawValue: leaf.rawValue & kept ^ flipped ^ leaf.inversion)
    return leaf.isSharedByFork ? withholdingWriting(new) : new
  }

  /// `new`, what a leaf becomes whose frame a fork has shared, without the right to write.
  private func withholdingWriting(_ new: PageTableEntry) -> PageTableEntry {
    // Nothing is said of the rights.
    if kept & PageTableEntry.writable != 0 { return new }
    let isMarked = new.rawValue & PageTableEntry.writable != 0 || !new.isPresent
    return PageTableEntry(
      rawValue: new.rawValue & ~(PageTableEntry.writable | PageTableEntry.copyOnWrite)
        | (isMarked ? PageTableEntry.copyOnWrite : 0))
  }

  /// The class of leaves that the change updates as it does `leaf`.
  @inline(__always)
  package func leaves(like leaf: PageTableEntry) -> LeafClass {
    LeafClass(leaf, becoming: applied(to: leaf), changing: ~kept)
  }
}
