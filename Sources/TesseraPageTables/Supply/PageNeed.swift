internal import TesseraFrames
package import TesseraHardware

/// What it takes that a page allows an access.
package enum PageNeed: Equatable {
  /// Nothing: it does.
  case nothing
  /// It does not, and is not to.
  case denied
  /// The kernel has to supply the page, which it knows by the number.
  case payload(UInt32)
  /// The pager has to bring the page, from swap or from a memory object.
  case pager
  /// The page is read before it was written: the frame of zeros will do.
  case zeros
  /// A frame that is filled with zeros.
  case zeroedFrame
  /// A frame with a copy of what is mapped, whose frame has other owners.
  case copy
  /// The right to write that a fork withholds: the frame has no other owner any more.
  case takeover
}

extension PageNeed {
  /// Whether it takes a frame.
  package var takesFrame: Bool { self == .zeroedFrame || self == .copy }
}

extension PageTableEntry {
  /// What it takes that the pages of this entry of a node of `level`, which refers to no table,
  /// allow `access`.
  package func need(of access: MemoryAccess, _ level: PagingLevel) -> PageNeed {
    guard isLeaf, let size = level.pageSize else { return vacantNeed(of: access) }
    let property = property(size: size)
    if property.access.allows(access) { return .nothing }
    guard access == .write, property.isCopyOnWrite, property.access != .none else {
      return .denied
    }
    guard ownsFrame else { return .zeroedFrame }
    return LeafOwnership.isOnlyOwner(self, size: size) ? .takeover : .copy
  }

  /// As `need`, where nothing is mapped.
  private func vacantNeed(of access: MemoryAccess) -> PageNeed {
    switch vacantContent {
    case .status(let payload): return .payload(payload)
    case .pending(let payload, let property) where property.access.allows(access):
      return .payload(payload)
    case .demandZero(let property) where property.access.allows(access):
      return access == .write ? .zeroedFrame : .zeros
    case .swapped(_, let property) where property.access.allows(access): return .pager
    case .object(_, let property) where property.access.allows(access): return .pager
    default: return .denied
    }
  }
}

extension PageTableNode {
  /// What it takes that the tables under this root allow `access` to `address`. Takes no lock: the
  /// answer was true at some moment of the call.
  package func need(of access: MemoryAccess, at address: VirtualAddress) -> PageNeed {
    let (entry, level) = settledEntry(at: address)
    return entry.need(of: access, level)
  }
}
