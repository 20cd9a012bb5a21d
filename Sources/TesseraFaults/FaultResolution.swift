public import TesseraPageTables

/// The answer to a page fault, or to an access that would fault.
public enum FaultResolution: Equatable, Sendable {
  /// The page allows the access now, and it can be repeated.
  case resolved(PageSupply)
  /// Nothing is there, or no such right: the program, or the kernel, is in error.
  case denied
  /// The kernel is to map the page, which it knows by the number; see `Cursor.setPending`.
  case needs(UInt32)
  /// The page is being read from its store, or written to it, and the access can be tried again
  /// later: at once, or when the store has said that it is done.
  case busy
  /// The store could not read the page. Nothing has changed.
  case failed
  /// There is no frame for the page, or for a page table. Nothing has changed.
  case outOfFrames
}

extension FaultResolution {
  /// Whether the access can be repeated.
  public var isResolved: Bool {
    if case .resolved = self { return true }
    return false
  }
}
