internal import TesseraHardware
internal import TesseraPageTables
internal import TesseraSpaces

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
    // Who writes an object back visits the space until here, and no longer while it is destroyed.
    if hasAttachments(root) {
      PiecewiseRange(VmSpace.start..<VmSpace.end, of: root).harvest(clearing: .dirty)
    }
    let (family, member) = PagerLock.held { () -> (Record<SpaceFamily>, Record<FamilyMember>) in
      guard let family = Self.family(number: root.pagerNumber) else {
        panic("a space left a family of the pager that does not exist")
      }
      let member = family.member(root)
      member.value.isLeaving = true
      return (family, member)
    }
    while PagerLock.held({ member.value.visitors > 0 }) {
      // A visitor may wait for this processor.
      TLBShootdown.serve()
      Processor.pause()
    }
    root.pagerNumber = 0
    let isUnlinked = PagerLock.held {
      member.value.isGone = true
      return family.unlinkIfUnused(member)
    }
    if isUnlinked { member.free() }
    release(family)
  }

  /// Whether pages of objects may be mapped in the space with `root`.
  private static func hasAttachments(_ root: PageTableNode) -> Bool {
    PagerLock.held { family(number: root.pagerNumber)?.value.attachments != nil }
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

  /// Calls `body` with each root of `family`, which the caller has acquired: parents before
  /// children, and children that are added meanwhile too.
  ///
  /// The space lives and preemption is off while `body` runs.
  static func forEachRoot(of family: Record<SpaceFamily>, _ body: (PageTableNode) -> Void) {
    var held: Record<FamilyMember>?
    repeat {
      Preemption.disabled {
        let (next, unlinked) = PagerLock.held { family.visitNext(after: held) }
        unlinked?.free()
        held = next
        guard let next else { return }
        body(next.value.root)
        PagerLock.held { next.value.visitors -= 1 }
      }
    } while held != nil
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

  /// The member with `root`, which is one and does not leave.
  fileprivate func member(_ root: PageTableNode) -> Record<FamilyMember> {
    var member = value.first
    while let found = member {
      if found.value.root.address == root.address && !found.value.isLeaving { return found }
      member = found.value.next
    }
    panic("a space left a family of the pager in which it is not")
  }

  /// Unlinks `member` if its space is gone and it is held no more. Returns whether that was so.
  fileprivate func unlinkIfUnused(_ member: Record<FamilyMember>) -> Bool {
    guard member.value.isGone, member.value.holders == 0 else { return false }
    let (previous, next) = (member.value.previous, member.value.next)
    if let previous { previous.value.next = next } else { value.first = next }
    if let next { next.value.previous = previous } else { value.last = previous }
    return true
  }

  /// Begins a visit to the member after `held`, or the first, if there is one, and holds that
  /// instead. Returns it, and `held` if it was unlinked thereby.
  fileprivate func visitNext(
    after held: Record<FamilyMember>?
  ) -> (next: Record<FamilyMember>?, unlinked: Record<FamilyMember>?) {
    var next = held == nil ? value.first : held?.value.next
    while let candidate = next, candidate.value.isLeaving { next = candidate.value.next }
    next?.value.visitors += 1
    next?.value.holders += 1
    guard let held else { return (next, nil) }
    held.value.holders -= 1
    return (next, unlinkIfUnused(held) ? held : nil)
  }
}
