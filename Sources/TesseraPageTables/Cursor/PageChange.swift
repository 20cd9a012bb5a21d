internal import TesseraFrames
public import TesseraHardware

/// A change, by masks, of what mapped pages have: rights, software bits and cache policy. What it
/// does not mention stays as it is in each page.
public struct PageChange: Equatable, Sendable {
  /// Rights of a page, any of them. An `OptionSet` would bring arrays, which allocate.
  ///
  /// A page that cannot be read has no other right either. Writing requires reading, and so does
  /// execution.
  public struct Rights: Equatable, Sendable {
    package let rawValue: UInt8

    public static var none: Rights { Rights(rawValue: 0) }
    public static var read: Rights { Rights(rawValue: 1) }
    public static var write: Rights { Rights(rawValue: 2) }
    public static var execute: Rights { Rights(rawValue: 4) }
    public static var all: Rights { Rights(rawValue: 7) }

    /// The rights of both.
    public func union(_ other: Rights) -> Rights { Rights(rawValue: rawValue | other.rawValue) }

    /// These rights without `other`.
    public func subtracting(_ other: Rights) -> Rights {
      Rights(rawValue: rawValue & ~other.rawValue)
    }

    /// Returns whether all of `other` are among these.
    public func contains(_ other: Rights) -> Bool { other.rawValue & ~rawValue == 0 }
  }

  private let removed: Rights
  private let added: Rights
  private let clearedSoftware: UInt8
  private let setSoftware: UInt8
  private let cachePolicy: CachePolicy?

  /// Creates a change that removes and then adds rights, clears and then sets software bits, and
  /// sets the cache policy unless that is nil.
  ///
  /// A change that may leave a page both writable and executable that was not has to allow it: one
  /// that adds the right to write also removes that to execute, or the reverse, unless
  /// `allowingWriteExecute`. Panics otherwise, and if software bits are above 3.
  public init(
    removing removed: Rights = .none, adding added: Rights = .none,
    clearingSoftware cleared: UInt8 = 0, settingSoftware set: UInt8 = 0,
    cachePolicy: CachePolicy? = nil, allowingWriteExecute: Bool = false
  ) {
    require(cleared <= 3 && set <= 3, "software bits of a page are above 3")
    require(
      allowingWriteExecute || Self.keepsApart(removing: removed, adding: added),
      "change may make a page writable and executable without saying so")
    self.removed = removed
    self.added = added
    clearedSoftware = cleared
    setSoftware = set
    self.cachePolicy = cachePolicy
  }

  /// Returns whether no page becomes both writable and executable that was not.
  package static func keepsApart(removing removed: Rights, adding added: Rights) -> Bool {
    func mayStay(_ right: Rights) -> Bool {
      added.contains(right) || !removed.contains(right)
    }
    return !(added.contains(.write) && mayStay(.execute))
      && !(added.contains(.execute) && mayStay(.write))
  }
}

extension PageChange {
  /// The property of a page that had `old`.
  fileprivate func applied(to old: PageProperty) -> PageProperty {
    let software = old.software & ~clearedSoftware | setSoftware
    return old.with(access(after: old))
      .with(software: software)
      .with(cachePolicy: cachePolicy ?? old.cachePolicy)
  }

  /// The rights of a page that had `old`. The right to write that a fork withholds counts as one
  /// that the page has.
  private func access(after old: PageProperty) -> PageAccess {
    let isWithheld = old.isCopyOnWrite && old.access != .none
    let rights = old.access.rights.union(isWithheld ? .write : .none)
    return PageAccess(rights.subtracting(removed).union(added))
  }
}

extension PageAccess {
  fileprivate var rights: PageChange.Rights {
    let read: PageChange.Rights = allowsRead ? .read : .none
    return read.union(allowsWrite ? .write : .none).union(allowsExecute ? .execute : .none)
  }

  fileprivate init(_ rights: PageChange.Rights) {
    switch (rights.contains(.read), rights.contains(.write), rights.contains(.execute)) {
    case (false, _, _): self = .none
    case (true, false, false): self = .read
    case (true, true, false): self = .readWrite
    case (true, false, true): self = .readExecute
    case (true, true, true): self = .readWriteExecute
    }
  }
}

extension PageChange: LeafEdit {
  static var countsUnchanged: Bool { false }

  var givesWriting: Bool { added.contains(.write) }

  func change(of leaf: PageTableEntry) -> LeafChange {
    // The cache policy has the same bits in leaves of every size, as long as they are Tessera's.
    LeafChange(changing: changedMask, to: applied(to: leaf.property(size: .fourKiB)))
  }

  /// The bits of a leaf that the change is about.
  private var changedMask: UInt64 {
    var mask: UInt64 = 0
    if added.union(removed) != .none { mask |= PageTableEntry.accessMask }
    if clearedSoftware | setSoftware != 0 { mask |= PageTableEntry.softwareMask }
    if cachePolicy != nil { mask |= PageTableEntry.cacheMask }
    return mask
  }
}

extension Cursor {
  /// Changes every mapped page in the next `byteCount` bytes by `change`. Returns the number of
  /// bytes whose pages are not as before.
  ///
  /// Absent pages stay. So do statuses, but the property that one gives to its pages is changed,
  /// too, and not counted. Nothing is flushed for rights that are added or software bits.
  /// A page whose frame a fork has shared becomes writable only as by `protect`, and a large page
  /// that lies only partly in the range is split first; throws `outOfFrames` if it cannot be.
  ///
  /// A page whose cache policy changes is flushed from the TLB. Whether lines of its memory are in
  /// the processors' caches is the caller's to know.
  @discardableResult
  public mutating func change(
    _ byteCount: UInt64, by change: PageChange
  ) throws(TesseraError) -> UInt64 {
    try changeLeaves(byteCount, change)
  }
}
