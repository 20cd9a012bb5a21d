/// Everything that a leaf entry says of its page except the address: access, whether it is a
/// user page, cache policy, and the global, accessed, dirty and software bits.
///
/// Stored in the format of an entry, so that no conversion is needed in either direction.
@frozen
public struct PageProperty: Equatable, Sendable {
  /// Bits of a leaf within `PageTableEntry.propertyMask`. Without access, `present` and `writable`
  /// are clear and `noExecute` is set, so that equal properties have equal bits.
  package private(set) var bits: UInt64

  /// Creates the property of a write-back page that is not global, accessed or dirty, and whose
  /// software bits are zero.
  @inline(__always)
  public init(_ access: PageAccess, isUser: Bool = false) {
    bits = Self.bits(of: access) | (isUser ? PageTableEntry.user : 0)
  }

  /// Creates a property from the bits of a leaf.
  ///
  /// - Precondition: `bits` are within `PageTableEntry.propertyMask` and not those of a global user
  ///   page.
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

  /// Uncacheable kernel memory, for device registers.
  public static var device: PageProperty {
    PageProperty(.readWrite).with(cachePolicy: .uncacheable)
  }
}

extension PageProperty {
  /// The accesses that the page permits. The setter makes `isCopyOnWrite` false.
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
    set {
      let others = bits & ~(PageTableEntry.accessMask | PageTableEntry.copyOnWrite)
      bits = others | Self.bits(of: newValue)
    }
  }

  /// A Boolean value indicating whether user mode has the access, and not only the kernel.
  ///
  /// The setter panics if the page would become a global user page.
  @inline(__always)
  public var isUser: Bool {
    get { bits & PageTableEntry.user != 0 }
    set {
      set(PageTableEntry.user, to: newValue)
      requireNotGlobalUserPage()
    }
  }

  /// A Boolean value indicating whether the translation survives a load of CR3, for pages that all
  /// address spaces share.
  ///
  /// The setter panics if the page would become a global user page: address spaces differ in their
  /// user pages, and a switch between them would not flush it.
  @inline(__always)
  public var isGlobal: Bool {
    get { bits & PageTableEntry.global != 0 }
    set {
      set(PageTableEntry.global, to: newValue)
      requireNotGlobalUserPage()
    }
  }

  @inline(__always)
  public var cachePolicy: CachePolicy {
    get { CachePolicy(attributeIndex: UInt8(truncatingIfNeeded: bits &>> 3 & 3)) }
    set { bits = bits & ~PageTableEntry.cacheMask | UInt64(newValue.rawValue) &<< 3 }
  }

  /// A Boolean value indicating whether the page was accessed since the bit was last cleared. Set
  /// by the processor.
  @inline(__always)
  public var isAccessed: Bool {
    get { bits & PageTableEntry.accessed != 0 }
    set { set(PageTableEntry.accessed, to: newValue) }
  }

  /// A Boolean value indicating whether the page was written since the bit was last cleared. Set by
  /// the processor.
  @inline(__always)
  public var isDirty: Bool {
    get { bits & PageTableEntry.dirty != 0 }
    set { set(PageTableEntry.dirty, to: newValue) }
  }

  /// A Boolean value indicating whether the frame has been shared by a fork and must be copied
  /// before the page is written. Set by `Cursor.copy`, and ignored where a page is mapped.
  ///
  /// The page is not writable, although it was, or was made so since. A page without access that a
  /// fork has shared has it too: its rights are not known.
  @inline(__always)
  public var isCopyOnWrite: Bool { bits & PageTableEntry.copyOnWrite != 0 }

  /// A Boolean value indicating whether a fork leaves the page to both spaces as it is, so that
  /// each sees what the other writes, instead of having it copied before it is written.
  @inline(__always)
  public var isShared: Bool {
    get { bits & PageTableEntry.shared != 0 }
    set { set(PageTableEntry.shared, to: newValue) }
  }

  /// The two software bits, free for the kernel to use. The setter panics above 3.
  @inline(__always)
  public var software: UInt8 {
    get { UInt8(truncatingIfNeeded: bits &>> 52 & 3) }
    set {
      require(newValue <= 3, "software bits of a page are above 3")
      bits = bits & ~PageTableEntry.softwareMask | UInt64(newValue) &<< 52
    }
  }
}

extension PageProperty {
  /// Returns the property with `access` instead of its own.
  @inline(__always)
  public func with(_ access: PageAccess) -> PageProperty {
    var property = self
    property.access = access
    return property
  }

  /// Returns the property with `cachePolicy` instead of its own.
  @inline(__always)
  public func with(cachePolicy: CachePolicy) -> PageProperty {
    var property = self
    property.cachePolicy = cachePolicy
    return property
  }

  /// Returns the property with `software` in the software bits. Panics if that is above 3.
  @inline(__always)
  public func with(software: UInt8) -> PageProperty {
    var property = self
    property.software = software
    return property
  }

  /// Returns the property of a page that a fork shares, or of one that it has copied.
  @inline(__always)
  public func with(isShared: Bool) -> PageProperty {
    var property = self
    property.isShared = isShared
    return property
  }

  /// Returns the property with or without the global bit. Panics on a global user page.
  @inline(__always)
  public func with(isGlobal: Bool) -> PageProperty {
    var property = self
    property.isGlobal = isGlobal
    return property
  }

  /// Returns the property with the given accessed and dirty bits.
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
  private func requireNotGlobalUserPage() {
    require(!(isUser && isGlobal), "user page is global")
  }

  @inline(__always)
  private static func bits(of access: PageAccess) -> UInt64 {
    (access.allowsRead ? PageTableEntry.present : 0)
      | (access.allowsWrite ? PageTableEntry.writable : 0)
      | (access.allowsExecute ? 0 : PageTableEntry.noExecute)
  }
}
