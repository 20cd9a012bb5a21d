internal import TesseraFrames
package import TesseraHardware

/// Makes the roots of address spaces, with the kernel's entries in them.
///
/// A root holds two kinds of entries: user entries, whose tables it owns, and kernel entries, which
/// are copies of those in the kernel's root. The copies own nothing, because the tables they lead
/// to exist permanently. All kernel entries exist before the first address space does and never
/// change, so no root has to be updated later.
package enum RootNode {
  /// The entries in the upper half of the kernel's root that are not absent: a bit for each, from
  /// the lowest.
  ///
  /// Access: written by `setKernelRoot`, constant afterwards.
  nonisolated(unsafe) private static var upperEntries: (UInt64, UInt64, UInt64, UInt64) = (
    0, 0, 0, 0
  )

  /// Remembers which kernel entries there are to copy.
  ///
  /// Called once, before there are address spaces, when `kernel` has all its entries.
  package static func setKernelRoot(_ kernel: PageTableNode) {
    // SAFETY: nothing else runs yet.
    unsafe upperEntries = (
      kernel.presenceBits(from: 256), kernel.presenceBits(from: 320),
      kernel.presenceBits(from: 384), kernel.presenceBits(from: 448)
    )
  }

  /// Allocates a root with the kernel entries of `kernel` and no user entries, locked and with a
  /// reference count of one.
  ///
  /// `kernel` is the node that was given to `setKernelRoot`. A pooled root has its kernel entries
  /// already.
  ///
  /// - Throws: `outOfFrames`.
  package static func allocate(copying kernel: PageTableNode) throws(TesseraError) -> FreshNode {
    let level = kernel.level
    if let root = try NodePool.reuseRoot(level: level) { return root }
    let root = try NodePool.allocate(level: level, isRoot: true)
    root.withNode { copyKernelEntries(of: kernel, to: $0) }
    return root
  }

  @inline(__always)
  private static func copyKernelEntries(of kernel: PageTableNode, to node: LockedNode) {
    for index in 0..<AddressSpaceLayout.lowKernelEntryCount {
      let entry = kernel[index]
      if !entry.isAbsent { node.store(entry, at: index) }
    }
    // SAFETY: constant after `setKernelRoot`.
    let upper = unsafe upperEntries
    node.copy(upper.0, from: 256, of: kernel)
    node.copy(upper.1, from: 320, of: kernel)
    node.copy(upper.2, from: 384, of: kernel)
    node.copy(upper.3, from: 448, of: kernel)
  }
}

extension PageTableNode {
  /// The presence of the 64 entries from `first`: a bit for each that is not absent, from the
  /// lowest.
  fileprivate func presenceBits(from first: Int) -> UInt64 {
    var bits: UInt64 = 0
    for index in 0..<64 where !self[first + index].isAbsent { bits |= 1 << UInt64(index) }
    return bits
  }
}

extension LockedNode {
  /// Copies those of the 64 entries of `other` from `first` whose bit in `bits` is set.
  @inline(__always)
  fileprivate func copy(_ bits: UInt64, from first: Int, of other: PageTableNode) {
    var remaining = bits
    while remaining != 0 {
      let index = first &+ remaining.trailingZeroBitCount
      store(other[index], at: index)
      remaining &= remaining &- 1
    }
  }
}
