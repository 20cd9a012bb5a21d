/// What a leaf entry says of its page besides where the memory is.
///
/// Kept as the bits of an entry, so that a property becomes part of an entry, and an entry's bits
/// a property, without being taken apart.
@frozen
public struct PageProperty: Equatable, Sendable {
  /// Bits of a leaf, of `PageTableEntry.propertyMask`. Without access, `present` and `writable` are
  /// clear and `noExecute` is set, so that equal properties have equal bits.
  package private(set) var bits: UInt64

  /// A property of a kernel's or a user program's page, written back, neither global nor accessed
  /// nor dirty, with zero in the software bits.
  @inline(__always)
  public init(_ access: PageAccess, isUser: Bool = false) {
    bits = Self.bits(of: access) | (isUser ? PageTableEntry.user : 0)
  }

  /// The property that a leaf with `bits` has. They are a leaf's, and name no impossible property.
  @inline(__always)
  package init(entryBits bits: UInt64) { self.bits = bits }
}

extension PageProperty {
  public static var kernelRead: PageProperty { PageProperty(.read) }
  public static var kernelReadWrite: PageProperty { PageProperty(.readWrite) }
  public static var kernelReadExecute: PageProperty { PageProperty(.readExecute) }
  public static var userRead: PageProperty { PageProperty(.read, isUser: true) }
  public static var userReadWrite: PageProperty { PageProperty(.readWrite, isUser: true) }
  public static var userReadExecute: PageProperty { PageProperty(.readExecute, isUser: true) }

  /// A device's registers, for the kernel alone.
  public static var device: PageProperty {
    PageProperty(.readWrite).with(cachePolicy: .uncacheable)
  }
}

extension PageProperty {
  /// What may be done with the page.
  @inline(__always)
  public var access: PageAccess {
    get {
      guard bits & PageTableEntry.present != 0 else { return .none }
      switch (bits & PageTableEntry.writable != 0, bits & PageTableEntry.noExecute == 0) {
      case (false, false): return .read
      case (true, false): return .readWrite
      case (false, true): return .readExecute
      case (true, true): return .readWriteExecute
      }
    }
    set { bits = bits & ~PageTableEntry.accessMask | Self.bits(of: newValue) }
  }

  /// Whether user programs have the access, and not only the kernel.
  ///
  /// Traps when a page is made both a user's and global.
  @inline(__always)
  public var isUser: Bool {
    get { bits & PageTableEntry.user != 0 }
    set {
      set(PageTableEntry.user, to: newValue)
      refuseGlobalUserPage()
    }
  }

  /// Whether the translation survives a change of root: for pages that all address spaces share.
  ///
  /// Traps when a page is made both a user's and global: address spaces differ in users' pages, and
  /// nothing would flush such a one when the root changes.
  @inline(__always)
  public var isGlobal: Bool {
    get { bits & PageTableEntry.global != 0 }
    set {
      set(PageTableEntry.global, to: newValue)
      refuseGlobalUserPage()
    }
  }

  @inline(__always)
  public var cachePolicy: CachePolicy {
    get { CachePolicy(attributeIndex: UInt8(truncatingIfNeeded: bits &>> 3 & 3)) }
    set { bits = bits & ~PageTableEntry.cacheMask | UInt64(newValue.rawValue) &<< 3 }
  }

  /// Whether the page was used since this was last cleared. The processor sets it.
  @inline(__always)
  public var isAccessed: Bool {
    get { bits & PageTableEntry.accessed != 0 }
    set { set(PageTableEntry.accessed, to: newValue) }
  }

  /// Whether the page was written since this was last cleared. The processor sets it.
  @inline(__always)
  public var isDirty: Bool {
    get { bits & PageTableEntry.dirty != 0 }
    set { set(PageTableEntry.dirty, to: newValue) }
  }

  /// A number of the kernel's own, 0 to 3. Traps if it is greater.
  @inline(__always)
  public var software: UInt8 {
    get { UInt8(truncatingIfNeeded: bits &>> 52 & 3) }
    set {
      require(newValue <= 3, "a page has two software bits")
      bits = bits & ~PageTableEntry.softwareMask | UInt64(newValue) &<< 52
    }
  }
}

extension PageProperty {
  /// The same property with other access.
  @inline(__always)
  public func with(_ access: PageAccess) -> PageProperty {
    var property = self
    property.access = access
    return property
  }

  /// The same property with another cache policy.
  @inline(__always)
  public func with(cachePolicy: CachePolicy) -> PageProperty {
    var property = self
    property.cachePolicy = cachePolicy
    return property
  }

  /// The same property with another number in the software bits. Traps if it is above 3.
  @inline(__always)
  public func with(software: UInt8) -> PageProperty {
    var property = self
    property.software = software
    return property
  }

  /// The same property, global or not. Traps if a user's page would be global.
  @inline(__always)
  public func with(isGlobal: Bool) -> PageProperty {
    var property = self
    property.isGlobal = isGlobal
    return property
  }

  /// The same property with these accessed and dirty bits.
  @inline(__always)
  public func with(isAccessed: Bool, isDirty: Bool) -> PageProperty {
    var property = self
    property.isAccessed = isAccessed
    property.isDirty = isDirty
    return property
  }

  @inline(__always)
  private mutating func set(_ mask: UInt64, to isSet: Bool) {
    bits = isSet ? bits | mask : bits & ~mask
  }

  @inline(__always)
  private func refuseGlobalUserPage() {
    require(!(isUser && isGlobal), "a user's page cannot be global")
  }

  @inline(__always)
  private static func bits(of access: PageAccess) -> UInt64 {
    (access.allowsRead ? PageTableEntry.present : 0)
      | (access.allowsWrite ? PageTableEntry.writable : 0)
      | (access.allowsExecute ? 0 : PageTableEntry.noExecute)
  }
}
