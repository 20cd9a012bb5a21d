/// Flags of a page that the pager has. An `OptionSet` would bring arrays, which allocate.
///
/// The numbers are those of the field. Tessera has no use for six of them, which no page has:
/// `lru`, since all pages are considered, `head` and `slab`, which other frames are, `waiters`,
/// `reserved` and `private`.
@frozen
public struct PageFlags: Equatable, Sendable {
  public let rawValue: UInt32

  @inline(__always)
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The pager works on the page: it reads it, or takes it out.
  public static var locked: PageFlags { PageFlags(rawValue: 1 << 0) }
  /// The page is being written to its store.
  public static var writeback: PageFlags { PageFlags(rawValue: 1 << 1) }
  /// The page was used since the reclaimer last came by.
  public static var referenced: PageFlags { PageFlags(rawValue: 1 << 2) }
  /// The contents are those of the page, and no longer to be read from its store.
  public static var upToDate: PageFlags { PageFlags(rawValue: 1 << 3) }
  /// The page was written since its store last had it.
  public static var dirty: PageFlags { PageFlags(rawValue: 1 << 4) }
  /// The reclaimer considers the page.
  public static var lru: PageFlags { PageFlags(rawValue: 1 << 5) }
  /// The frame is the first of a compound one.
  public static var head: PageFlags { PageFlags(rawValue: 1 << 6) }
  public static var waiters: PageFlags { PageFlags(rawValue: 1 << 7) }
  /// The page was used more than once, and is reclaimed later than others.
  public static var active: PageFlags { PageFlags(rawValue: 1 << 8) }
  /// The page was read again soon after it had been reclaimed.
  public static var workingSet: PageFlags { PageFlags(rawValue: 1 << 9) }
  /// The store failed to read or to write the page.
  public static var error: PageFlags { PageFlags(rawValue: 1 << 10) }
  /// The frame is a slab of the heap.
  public static var slab: PageFlags { PageFlags(rawValue: 1 << 11) }
  public static var reserved: PageFlags { PageFlags(rawValue: 1 << 14) }
  public static var `private`: PageFlags { PageFlags(rawValue: 1 << 15) }
  /// The page is being written in order to be reclaimed.
  public static var reclaim: PageFlags { PageFlags(rawValue: 1 << 18) }
  /// The page goes to the swap store, and not to a file.
  public static var swapBacked: PageFlags { PageFlags(rawValue: 1 << 19) }

  /// The flags of both.
  @inline(__always)
  public func union(_ other: PageFlags) -> PageFlags {
    PageFlags(rawValue: rawValue | other.rawValue)
  }

  /// These flags without `other`.
  @inline(__always)
  public func subtracting(_ other: PageFlags) -> PageFlags {
    PageFlags(rawValue: rawValue & ~other.rawValue)
  }

  /// Returns whether all of `other` are among these.
  @inline(__always)
  public func contains(_ other: PageFlags) -> Bool { other.rawValue & ~rawValue == 0 }
}
