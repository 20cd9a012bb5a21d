extension FrameList where Metadata: ~Copyable {
  /// Calls `report` once for each violated invariant of the list. Visits every member.
  public borrowing func checkInvariants(_ report: (StaticString) -> Void) {
    var seen = 0
    var previous: FrameSlotReference?
    var next = first
    while let slot = next, seen <= count {
      if slot.listIdentifier != identifier { report("member of a list has another identifier") }
      if slot.count != ReferenceCount.unique { report("member of a list is not unique") }
      if slot.listLinks.previous != previous {
        report("member of a list does not link to its predecessor")
      }
      previous = slot
      next = slot.listLinks.next
      seen += 1
    }
    if previous != last { report("last member of a list is not its end") }
    if seen != count { report("count of a list does not match its members") }
    if count > 0 && identifier == 0 { report("list with members has no identifier") }
  }
}
