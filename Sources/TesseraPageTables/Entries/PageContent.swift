public import TesseraHardware

/// What an entry says of a page.
public enum PageContent: Equatable, Sendable {
  /// Nothing.
  case absent
  /// Nothing is mapped, but the page has this status.
  case status(UInt32)
  /// Nothing is mapped; the page appears, filled with zeros and with this property, when it is
  /// used. See `Cursor.setDemandZero`.
  case demandZero(PageProperty)
  /// Nothing is mapped; the kernel supplies the page, which it knows by the number and which then
  /// has this property. See `Cursor.setPending`.
  case pending(UInt32, PageProperty)
  /// Nothing is mapped; the contents of the page are in this slot of the swap store, from where
  /// they are brought back, with this property, when the page is used.
  case swapped(UInt32, PageProperty)
  /// Nothing is mapped; the page is one of a memory object, which the pager knows by the number,
  /// and appears with this property when it is used.
  case object(UInt32, PageProperty)
  /// Memory at `address`; if `ownsFrame`, the mapping owns a reference of its frame.
  case mapped(PhysicalAddress, PageProperty, ownsFrame: Bool)
}

extension PageContent {
  /// Whether something is mapped.
  public var isMapped: Bool {
    if case .mapped = self { return true }
    return false
  }
}

extension PageTableEntry {
  /// What this entry of a node of `level`, which refers to no table, says of its pages.
  @inline(__always)
  func content(_ level: PagingLevel) -> PageContent {
    if isLeaf, let size = level.pageSize {
      return .mapped(leafAddress(size: size), property(size: size), ownsFrame: ownsFrame)
    }
    return vacantContent
  }
}
