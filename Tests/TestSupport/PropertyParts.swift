import TesseraHardware

/// The parts of a `PageProperty` as separate fields.
package struct PropertyParts: Equatable {
  package var access: PageAccess
  package var isUser: Bool
  package var isGlobal: Bool
  package var cachePolicy: CachePolicy
  package var isAccessed: Bool
  package var isDirty: Bool
  package var software: UInt8

  package init(
    access: PageAccess = .read, isUser: Bool = false, isGlobal: Bool = false,
    cachePolicy: CachePolicy = .writeBack, isAccessed: Bool = false, isDirty: Bool = false,
    software: UInt8 = 0
  ) {
    self.access = access
    self.isUser = isUser
    self.isGlobal = isGlobal
    self.cachePolicy = cachePolicy
    self.isAccessed = isAccessed
    self.isDirty = isDirty
    self.software = software
  }

  package static let accesses: [PageAccess] = [
    .none, .read, .readWrite, .readExecute, .readWriteExecute,
  ]
  package static let policies: [CachePolicy] = [
    .writeBack, .writeThrough, .writeCombining, .uncacheable,
  ]

  /// All valid properties.
  package static let all: [PropertyParts] = {
    var all: [PropertyParts] = []
    for access in accesses {
      for (isUser, isGlobal) in [(false, false), (true, false), (false, true)] {
        for policy in policies {
          for flags in 0..<16 {
            all.append(
              PropertyParts(
                access: access, isUser: isUser, isGlobal: isGlobal, cachePolicy: policy,
                isAccessed: flags & 1 != 0, isDirty: flags & 2 != 0, software: UInt8(flags >> 2)))
          }
        }
      }
    }
    return all
  }()

  /// The property with these parts.
  package var property: PageProperty {
    var property = PageProperty(access, isUser: isUser)
    property.isGlobal = isGlobal
    property.cachePolicy = cachePolicy
    property.isAccessed = isAccessed
    property.isDirty = isDirty
    property.software = software
    return property
  }

}

extension PropertyParts {
  /// Creates the parts from the accessors of `property`.
  package init(of property: PageProperty) {
    access = property.access
    isUser = property.isUser
    isGlobal = property.isGlobal
    cachePolicy = property.cachePolicy
    isAccessed = property.isAccessed
    isDirty = property.isDirty
    software = property.software
  }

  /// The effective parts on a processor without no-execute.
  package var withoutNoExecute: PropertyParts {
    var parts = self
    switch access {
    case .read: parts.access = .readExecute
    case .readWrite: parts.access = .readWriteExecute
    case .none, .readExecute, .readWriteExecute: break
    }
    return parts
  }

  /// Creates the parts that a processor reads from a present leaf of `format`.
  package init(of leaf: PageTableEntry, format: ManualFormat) {
    switch (format.has(.writable, in: leaf), format.has(.executeDisable, in: leaf)) {
    case (false, false): access = .readExecute
    case (false, true): access = .read
    case (true, false): access = .readWriteExecute
    case (true, true): access = .readWrite
    }
    isUser = format.has(.user, in: leaf)
    isGlobal = format.has(.global, in: leaf)
    // The bits of the index are PAT, PCD and PWT, from the highest to the lowest.
    let index =
      (format.has(.attribute, in: leaf) ? 4 : 0) + (format.has(.cacheDisable, in: leaf) ? 2 : 0)
      + (format.has(.writeThrough, in: leaf) ? 1 : 0)
    cachePolicy = Self.policies[index % 4]
    isAccessed = format.has(.accessed, in: leaf)
    isDirty = format.has(.dirty, in: leaf)
    software = UInt8(leaf.rawValue >> 52 & 3)
  }
}
