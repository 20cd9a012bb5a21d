/// A kind of page-table change that requires a TLB invalidation.
enum Change: UInt8 {
  case unmap
  case removeWriting
  case forbidExecution
  case removeAccess
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
  case unmapWhileAway

  static var count: UInt8 { 19 }

  /// The change, and the access that follows it.
  var name: StaticString {
    switch self {
    case .unmap: "page unmapped, then read"
    case .removeWriting: "page made read-only, then written"
    case .forbidExecution: "page made no-execute, then executed"
    case .removeAccess: "all access removed from a page, then read"
    case .replace: "page replaced, then read"
    case .clearAccessed: "accessed bit cleared, then read"
    case .clearDirty: "dirty bit cleared, then written"
    case .unmapRange: "8 pages unmapped, the last one read"
    case .unmapApart: "2 separate pages unmapped, the second read"
    case .unmapManyPages: "64 pages unmapped, the last one read"
    case .shareForFork: "page copied for a fork, then written"
    case .splitToUnmap: "4K of a 2M page unmapped, then read"
    case .splitToProtect: "4K of a 2M page made read-only, then written"
    case .unmapLarge: "2M page unmapped, then read"
    case .removeTable: "page table removed, then one page read"
    case .removeTableAboveUnused: "the same, with a page not used before"
    case .unmapKernelPage: "kernel (global) page unmapped, then read"
    case .protectKernelPage: "kernel page made read-only, then written"
    case .unmapWhileAway: "page unmapped on another space, then read"
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

  /// The mappings before the change.
  enum Scene {
    /// One page in a table with others.
    case page
    /// Several pages, of which the last is accessed.
    case manyPages
    /// One page of 2 MiB.
    case large
    /// One page in a table of its own.
    case table
    /// A kernel page in a table with others.
    case kernelPage
  }

  var scene: Scene {
    switch self {
    case .unmap, .removeWriting, .forbidExecution, .removeAccess, .replace, .clearAccessed,
      .clearDirty, .shareForFork, .unmapWhileAway:
      .page
    case .unmapRange, .unmapApart, .unmapManyPages: .manyPages
    case .splitToUnmap, .splitToProtect, .unmapLarge: .large
    case .removeTable, .removeTableAboveUnused: .table
    case .unmapKernelPage, .protectKernelPage: .kernelPage
    }
  }

  /// Whether the page is used before the change. If it is not, only a cached entry of a higher
  /// level can be stale.
  var usesPageBefore: Bool { self != .removeTableAboveUnused }

  /// Whether stale translations can be observed under QEMU's emulation, which caches no entries of
  /// higher levels, and flushes everything when CR3 is loaded: it has no context identifiers.
  var isObservableInEmulator: Bool {
    self != .removeTableAboveUnused && self != .unmapWhileAway
  }
}
