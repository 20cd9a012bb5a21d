internal import TesseraHardware
internal import TesseraPageTables

/// The families of spaces that the pager pages.
enum SpaceFamilies {
  /// Makes the space with `root` the first of a new family. It is in none.
  ///
  /// - Throws: `outOfFrames`.
  static func make(of root: PageTableNode) throws(TesseraError) {
    let family = try Record(SpaceFamily())
    let member: Record<FamilyMember>
    let number: UInt32
    do throws(TesseraError) {
      member = try Record(FamilyMember(root))
      do throws(TesseraError) {
        number = try RecordNumbers.families.take(for: family.address) { family.value.number = $0 }
      } catch {
        member.free()
        throw error
      }
    } catch {
      family.free()
      throw error
    }
    PagerLock.held { family.append(member) }
    root.pagerNumber = UInt64(number)
  }

  /// Adds the space with the root `child`, to which nothing was copied yet, to the family of
  /// `parent`. Returns false if there is no memory for that.
  static func addChild(_ child: PageTableNode, of parent: PageTableNode) -> Bool {
    guard let member = try? Record(FamilyMember(child)) else { return false }
    PagerLock.held {
      // The parent is a member, and stays one meanwhile.
      guard let family = family(number: parent.pagerNumber) else {
        panic("a space is in a family of the pager that does not exist")
      }
      family.value.references += 1
      family.append(member)
    }
    child.pagerNumber = parent.pagerNumber
    return true
  }

  /// Removes the space with `root`, which is about to be destroyed, from its family. Waits for
  /// those who visit it.
  static func remove(_ root: PageTableNode) {
    let family = PagerLock.held { Self.family(number: root.pagerNumber) }
    guard let family else { panic("a space left a family of the pager that does not exist") }
    let member = PagerLock.held {
      let member = family.member(root)
      member.value.isLeaving = true
      return member
    }
    while !PagerLock.held({ family.removeIfUnvisited(member) }) {
      // A visitor may wait for this processor.
      TLBShootdown.serve()
      Processor.pause()
    }
    root.pagerNumber = 0
    member.free()
    release(family)
  }

  /// The family with `number`, which stays until `release`; nil if there is none.
  static func acquire(_ number: UInt32) -> Record<SpaceFamily>? {
    PagerLock.held {
      guard let family = family(number: UInt64(number)) else { return nil }
      family.value.references += 1
      return family
    }
  }

  /// Undoes `acquire`. Destroys the family if it has no member any more.
  static func release(_ family: Record<SpaceFamily>) {
    let isLast = PagerLock.held { () -> Bool in
      family.value.references -= 1
      guard family.value.references == 0 else { return false }
      RecordNumbers.families.free(family.value.number)
      return true
    }
    guard isLast else { return }
    Attachments.removeAll(of: family)
    family.free()
  }

  /// Calls `body` with each root of `family`, which the caller has acquired, for as long as it
  /// returns true: parents before children, and children that are added meanwhile too.
  ///
  /// The space lives and preemption is off while `body` runs.
  static func forEachRoot(of family: Record<SpaceFamily>, _ body: (PageTableNode) -> Bool) {
    var visited: Record<FamilyMember>?
    var goesOn = true
    while goesOn {
      goesOn = Preemption.disabled {
        guard let member = family.visitNext(after: visited) else { return false }
        visited = member
        return body(member.value.root)
      }
    }
    if let visited { PagerLock.held { visited.value.visitors -= 1 } }
  }

  /// The family with `number`. The lock is held.
  private static func family(number: UInt64) -> Record<SpaceFamily>? {
    let number = UInt32(truncatingIfNeeded: number)
    // SAFETY: the numbers of families are of records of families.
    return unsafe Record(at: RecordNumbers.families.address(of: number))
  }
}

// The members, under `PagerLock`.
extension Record<SpaceFamily> {
  fileprivate func append(_ member: Record<FamilyMember>) {
    member.value.previous = value.last
    if let last = value.last { last.value.next = member } else { value.first = member }
    value.last = member
  }

  /// The member with `root`, which is one.
  fileprivate func member(_ root: PageTableNode) -> Record<FamilyMember> {
    var member = value.first
    while let found = member {
      if found.value.root.address == root.address { return found }
      member = found.value.next
    }
    panic("a space left a family of the pager in which it is not")
  }

  /// Unlinks `member`, unless it is visited. Returns whether it did.
  fileprivate func removeIfUnvisited(_ member: Record<FamilyMember>) -> Bool {
    guard member.value.visitors == 0 else { return false }
    let (previous, next) = (member.value.previous, member.value.next)
    if let previous { previous.value.next = next } else { value.first = next }
    if let next { next.value.previous = previous } else { value.last = previous }
    return true
  }

  /// Ends the visit to `member`, if that is one, and begins one to the next. Nil if there is none;
  /// `member` is then still visited.
  fileprivate func visitNext(after member: Record<FamilyMember>?) -> Record<FamilyMember>? {
    PagerLock.held {
      var next = member == nil ? value.first : member?.value.next
      while let candidate = next, candidate.value.isLeaving { next = candidate.value.next }
      guard let next else { return nil }
      next.value.visitors += 1
      member?.value.visitors -= 1
      return next
    }
  }
}
