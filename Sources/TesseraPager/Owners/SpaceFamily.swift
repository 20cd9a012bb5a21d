internal import TesseraHardware
internal import TesseraPageTables

/// The spaces that forks have made of one. Their anonymous pages belong to the family, and not to a
/// space: a fork shares them, at the same addresses, so that a search for the mappings of a
/// page has one address to check in each.
///
/// A family lives as long as it has members or visitors.
struct SpaceFamily: ~Copyable {
  /// The members, and those who visit them.
  var references = 1
  /// Constant once it is published.
  var number: UInt32 = 0
  var first: Record<FamilyMember>?
  var last: Record<FamilyMember>?
  /// What of memory objects is attached to spaces of the family, and how many there are.
  var attachments: Record<Attachment>?
  var attachmentCount = 0
  /// The number from which on they are swept: those are freed that no page has any more.
  var sweepCount = 16
  /// Whether a sweep is under way.
  var isSwept = false
}

/// A space in its family.
struct FamilyMember: ~Copyable {
  var previous: Record<FamilyMember>?
  var next: Record<FamilyMember>?
  /// Constant. Used only during a visit.
  let root: PageTableNode
  /// Those who visit the space at this moment, with preemption off. The space is not destroyed
  /// before they are gone.
  var visitors = 0
  /// Those who go on from here in the list, and may be preempted meanwhile. Nothing waits for them:
  /// the last of them frees the record of a space that is gone.
  var holders = 0
  /// No visit begins any more.
  var isLeaving = false
  /// The space is gone.
  var isGone = false

  init(_ root: PageTableNode) { self.root = root }
}
