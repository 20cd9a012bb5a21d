import TesseraHardware
import TestSupport
import Testing

@Suite("Page property") struct PagePropertyTests {
  @Test func `each part can be set independently`() {
    var tally = Tally()
    for start in PropertyParts.all {
      for goal in PropertyParts.all where goal.software == start.software ^ 3 {
        if start.isUser && goal.isGlobal || start.isGlobal && goal.isUser { continue }
        let property = start.property
        var changed = (property, start)
        changed.0.access = goal.access
        changed.1.access = goal.access
        tally.claim(PropertyParts(of: changed.0) == changed.1, "access of \(start)")
        changed.0.cachePolicy = goal.cachePolicy
        changed.1.cachePolicy = goal.cachePolicy
        tally.claim(PropertyParts(of: changed.0) == changed.1, "cache policy of \(start)")
        changed.0.software = goal.software
        changed.1.software = goal.software
        tally.claim(PropertyParts(of: changed.0) == changed.1, "software bits of \(start)")
        changed.0 = changed.0.with(isAccessed: goal.isAccessed, isDirty: goal.isDirty)
        (changed.1.isAccessed, changed.1.isDirty) = (goal.isAccessed, goal.isDirty)
        tally.claim(PropertyParts(of: changed.0) == changed.1, "accessed and dirty of \(start)")
        changed.0.isUser = goal.isUser
        changed.0.isGlobal = goal.isGlobal
        tally.claim(changed.0 == goal.property, "\(start) to \(goal)")
      }
    }
    tally.expectAll(atLeast: 5 * 900 * 100)
  }

  @Test func `a changed copy differs only in the changed part`() {
    let property = PageProperty(.readWrite).with(software: 1)
    #expect(property.with(.none).access == .none)
    #expect(property.with(.none).with(.readWrite) == property)
    #expect(property.with(cachePolicy: .writeCombining).cachePolicy == .writeCombining)
    #expect(property.with(software: 3).software == 3)
    #expect(property.with(isGlobal: true).isGlobal)
    #expect(property.with(isGlobal: true).with(isGlobal: false) == property)
  }

  @Test func `the named properties have the parts in their names`() {
    let named: [(PageProperty, PageAccess, Bool)] = [
      (.kernelRead, .read, false), (.kernelReadWrite, .readWrite, false),
      (.kernelReadExecute, .readExecute, false), (.userRead, .read, true),
      (.userReadWrite, .readWrite, true), (.userReadExecute, .readExecute, true),
    ]
    for (property, access, isUser) in named {
      let parts = PropertyParts(access: access, isUser: isUser)
      #expect(PropertyParts(of: property) == parts)
    }
    let device = PropertyParts(access: .readWrite, cachePolicy: .uncacheable)
    #expect(PropertyParts(of: .device) == device)
  }

  @Test func `only one access is both writable and executable`() {
    for access in PropertyParts.accesses {
      let isBoth = access.allowsWrite && access.allowsExecute
      #expect(isBoth == (access == .readWriteExecute))
      #expect(access.allowsRead || !access.allowsWrite && !access.allowsExecute)
      #expect(access.allowsRead == (access != .none))
    }
  }

  @Test func `an access is a subset if each of its rights is included`() {
    for one in PropertyParts.accesses {
      for other in PropertyParts.accesses {
        let isSubset =
          (!one.allowsRead || other.allowsRead) && (!one.allowsWrite || other.allowsWrite)
          && (!one.allowsExecute || other.allowsExecute)
        #expect(one.isSubset(of: other) == isSubset)
      }
    }
    #expect(!PageAccess.readWrite.isSubset(of: .readExecute))
    #expect(!PageAccess.readExecute.isSubset(of: .readWrite))
  }
}
