/// A change of page tables after which a processor must not use what it has cached.
enum Change: UInt8 {
  case unmap
  case removeWriting
  case forbidExecution
  case takeAccess
  case replace
  case clearAccessed
  case clearDirty
  case unmapRange
  case unmapApart
  case unmapManyPages
  case shareForFork
  case splitToUnmap
  case splitToProtect
  case unmapLarge
  case removeTable
  case removeTableAboveUnused
  case unmapKernelPage
  case protectKernelPage

  static var count: UInt8 { 18 }

  /// How the change is tried out: what is changed, and the access right after it.
  var name: StaticString {
    switch self {
    case .unmap: "page unmapped, then read"
    case .removeWriting: "page made read-only, then written"
    case .forbidExecution: "page made data only, then executed"
    case .takeAccess: "page without any access, then read"
    case .replace: "page replaced, then read"
    case .clearAccessed: "page marked as not accessed, then read"
    case .clearDirty: "page marked as not dirty, then written"
    case .unmapRange: "8 pages unmapped, the last one read"
    case .unmapApart: "2 pages apart unmapped, the second read"
    case .unmapManyPages: "64 pages unmapped, the last one read"
    case .shareForFork: "page copied for a fork, then written"
    case .splitToUnmap: "4K unmapped inside 2M, then read"
    case .splitToProtect: "4K inside 2M made read-only, written"
    case .unmapLarge: "2M page unmapped, then read"
    case .removeTable: "table of pages removed, one read"
    case .removeTableAboveUnused: "the same, a page never used before"
    case .unmapKernelPage: "kernel (global) page unmapped, read"
    case .protectKernelPage: "kernel page made read-only, written"
    }
  }

  enum Access {
    case read
    case write
    case execute
  }

  var access: Access {
    switch self {
    case .removeWriting, .clearDirty, .shareForFork, .splitToProtect, .protectKernelPage: .write
    case .forbidExecution: .execute
    default: .read
    }
  }

  /// What is mapped before the change.
  enum Scene {
    /// One page among others in a table that stays.
    case page
    /// Several pages, of which the last is accessed.
    case manyPages
    /// One page of 2 MiB.
    case large
    /// A table of its own.
    case table
    /// A page of the kernel among others.
    case kernelPage
  }

  var scene: Scene {
    switch self {
    case .unmap, .removeWriting, .forbidExecution, .takeAccess, .replace, .clearAccessed,
      .clearDirty, .shareForFork:
      .page
    case .unmapRange, .unmapApart, .unmapManyPages: .manyPages
    case .splitToUnmap, .splitToProtect, .unmapLarge: .large
    case .removeTable, .removeTableAboveUnused: .table
    case .unmapKernelPage, .protectKernelPage: .kernelPage
    }
  }

  /// Whether a page must have been used before the change. Without that only a cached entry of a
  /// higher level could be stale.
  var usesPageBefore: Bool { self != .removeTableAboveUnused }

  /// Whether QEMU's own emulation shows what is stale after the change. It keeps no entries of
  /// higher levels.
  var isSeenByEmulator: Bool { self != .removeTableAboveUnused }
}
