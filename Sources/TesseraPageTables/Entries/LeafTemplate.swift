package import TesseraHardware

/// All of a leaf but its address, made once for a run of leaves that differ in nothing else.
@frozen
package struct LeafTemplate: Sendable {
  /// The leaf at address zero. Inverted or not, a leaf's address is one exclusive-or away.
  private let pattern: UInt64

  /// Traps if `mode` has no pages of `size`.
  @inline(__always)
  package init(
    _ property: PageProperty, size: PageSize, ownsFrame: Bool, mode: PagingMode = .current
  ) {
    require(mode.hasPages(of: size), "the processor has no pages of 1 GiB")
    let bits = mode.hasNoExecute ? property.bits : property.bits & ~PageTableEntry.noExecute
    let inversion = property.access == .none ? PageTableEntry.addressMask : 0
    pattern =
      bits | inversion | PageTableEntry.leafBit
      | (ownsFrame ? PageTableEntry.ownsFrameBit : 0)
      | (size == .fourKiB ? 0 : PageTableEntry.largePage)
  }

  /// The leaf that maps the memory at `address`.
  ///
  /// The caller knows that the mode allows leaves of the size there, from
  /// `PagingMode.allowsLeaf(at:size:)` of the first and the last one.
  @inline(__always)
  package func entry(at address: PhysicalAddress) -> PageTableEntry {
    PageTableEntry(rawValue: pattern ^ address.rawValue)
  }
}
