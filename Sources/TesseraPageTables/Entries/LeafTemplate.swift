package import TesseraHardware

/// All of a leaf entry but its address, prepared once for a run of leaves that differ only there.
@frozen
package struct LeafTemplate: Sendable {
  /// The leaf for address zero. Inverted or not, the address is added by one exclusive-or.
  private let pattern: UInt64

  /// Traps if `mode` has no pages of `size`.
  @inline(__always)
  package init(
    _ property: PageProperty, size: PageSize, ownsFrame: Bool, mode: PagingMode = .current
  ) {
    require(mode.hasPages(of: size), "the processor has no pages of 1 GiB")
    let mapped = property.bits & ~PageTableEntry.copyOnWrite
    let bits = mode.hasNoExecute ? mapped : mapped & ~PageTableEntry.noExecute
    let inversion = property.access == .none ? PageTableEntry.addressMask : 0
    pattern =
      bits | inversion | PageTableEntry.leafBit
      | (ownsFrame ? PageTableEntry.ownsFrameBit : 0)
      | (size == .fourKiB ? 0 : PageTableEntry.largePage)
  }

  /// All of `leaf` of `size` but its address, for leaves of `newSize`.
  package init(like leaf: PageTableEntry, _ size: PageSize, newSize: PageSize) {
    let template = LeafTemplate(
      leaf.property(size: size), size: newSize, ownsFrame: leaf.ownsFrame)
    self.init(pattern: template.pattern | leaf.rawValue & PageTableEntry.forkMask)
  }

  /// Leaves that map the frame of zeros, for pages with `property` that were not written yet.
  static func zeros(_ property: PageProperty) -> LeafTemplate {
    withholdingWriting(property, ownsFrame: false)
  }

  /// The leaf of 4 KiB for a page with `property` that the pager brings, and that owns its frame:
  /// writable only if it is shared; otherwise the frame is copied before it is written, or taken
  /// over once it has no other owner.
  static func paged(_ property: PageProperty) -> LeafTemplate {
    property.isShared
      ? LeafTemplate(property, size: .fourKiB, ownsFrame: true)
      : withholdingWriting(property, ownsFrame: true)
  }

  @inline(__always)
  private static func withholdingWriting(
    _ property: PageProperty, ownsFrame: Bool
  ) -> LeafTemplate {
    let template = LeafTemplate(property, size: .fourKiB, ownsFrame: ownsFrame)
    let isWritten = property.access.allowsWrite
    let mark = isWritten ? PageTableEntry.forkMask : PageTableEntry.sharedByForkBit
    return LeafTemplate(pattern: template.pattern & ~PageTableEntry.writable | mark)
  }

  /// The leaf of 4 KiB that maps the copy of what `leaf` maps, which a fork has shared: writable,
  /// and owning its frame.
  static func copied(_ leaf: PageTableEntry) -> LeafTemplate {
    let property = leaf.property(size: .fourKiB).with(isAccessed: false, isDirty: false)
    let template = LeafTemplate(property, size: .fourKiB, ownsFrame: true)
    return LeafTemplate(pattern: template.pattern | PageTableEntry.writable)
  }

  private init(pattern: UInt64) { self.pattern = pattern }

  /// The leaf that maps the memory at `address`.
  ///
  /// The caller has checked with `PagingMode.allowsLeaf(at:size:)`, for the first and the last of a
  /// run, that leaves of this size are allowed there.
  @inline(__always)
  package func entry(at address: PhysicalAddress) -> PageTableEntry {
    PageTableEntry(rawValue: pattern ^ address.rawValue)
  }
}
