/// What an instruction does with memory.
public enum MemoryAccess: Equatable, Sendable {
  case read, write, execute
}

extension PageAccess {
  /// Returns whether a page with these rights allows `access`.
  @inline(__always)
  public func allows(_ access: MemoryAccess) -> Bool {
    switch access {
    case .read: allowsRead
    case .write: allowsWrite
    case .execute: allowsExecute
    }
  }
}
