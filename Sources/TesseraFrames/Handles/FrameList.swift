internal import Synchronization
public import TesseraHardware

/// The number of lists that have ever had a member, which gives each its identifier.
///
/// Access: atomic.
private let listCount = Atomic<UInt64>(0)

/// A doubly linked list of unique frames, whose links lie in the frames' slots.
///
/// It owns its members: destroying it destroys them. Every operation takes constant time, and so
/// does asking whether a frame is in this list. The metadata has at most 24 bytes, because the
/// links have the rest. Positions in the list are `FrameListCursor`s.
public struct FrameList<Metadata: FrameMetadata & ~Copyable>: ~Copyable, Sendable {
  /// How many frames are in the list.
  public private(set) var count = 0

  private var first: FrameSlotReference?
  private var last: FrameSlotReference?

  /// What the slot of a member says; 0 until the first frame comes.
  private var identifier: UInt64 = 0

  public init() {
    require(
      MemoryLayout<Metadata>.size <= FrameSlot.listableByteCount,
      "metadata of frames in a list must fit in 24 bytes")
  }

  public var isEmpty: Bool { first == nil }

  deinit {
    var next = first
    while let slot = next {
      next = slot.listLinks.next
      slot.setListIdentifier(0)
      slot.retire()
    }
  }
}

extension FrameList where Metadata: ~Copyable {
  /// Whether the frame at `address` is in this list. False for what is no frame.
  public borrowing func contains(_ address: PhysicalAddress) -> Bool {
    cursor(at: address) != nil
  }

  /// Adds `frame` before the first.
  public mutating func pushFront(_ frame: consuming UniqueFrame<Metadata>) {
    insert(frame, before: front)
  }

  /// Adds `frame` after the last.
  public mutating func pushBack(_ frame: consuming UniqueFrame<Metadata>) {
    insert(frame, before: FrameListCursor(slot: nil))
  }

  /// Takes the first frame out, or returns nil if there is none.
  public mutating func popFront() -> UniqueFrame<Metadata>? {
    var cursor = front
    return take(at: &cursor)
  }

  /// Takes the last frame out, or returns nil if there is none.
  public mutating func popBack() -> UniqueFrame<Metadata>? {
    var cursor = back
    return take(at: &cursor)
  }
}

extension FrameList where Metadata: ~Copyable {
  /// The position of the first frame; past the end if there is none.
  public var front: FrameListCursor { FrameListCursor(slot: first) }

  /// The position of the last frame; past the end if there is none.
  public var back: FrameListCursor { FrameListCursor(slot: last) }

  /// The position of the frame at `address`, or nil if it is not in this list.
  public borrowing func cursor(at address: PhysicalAddress) -> FrameListCursor? {
    guard let slot = try? FrameTable.slot(at: address), isMember(slot) else { return nil }
    return FrameListCursor(slot: slot)
  }

  /// Moves `cursor` to the next frame: from the last past the end, from there to the first.
  public borrowing func moveNext(_ cursor: inout FrameListCursor) {
    cursor.slot = checked(cursor).map { $0.listLinks.next } ?? first
  }

  /// Moves `cursor` to the previous frame: from the first past the end, from there to the last.
  public borrowing func movePrevious(_ cursor: inout FrameListCursor) {
    cursor.slot = checked(cursor).map { $0.listLinks.previous } ?? last
  }

  /// Adds `frame` before the one at `cursor`; at the end if that is past the end.
  public mutating func insert(
    _ frame: consuming UniqueFrame<Metadata>, before cursor: FrameListCursor
  ) {
    let next = checked(cursor)
    let slot = frame.relinquishSlot()
    if identifier == 0 { identifier = Self.makeIdentifier() }
    let previous = next == nil ? last : next?.listLinks.previous
    slot.listLinks = FrameLinks(next: next, previous: previous)
    slot.setListIdentifier(identifier)
    link(previous, to: slot)
    linkBack(next, to: slot)
    count += 1
  }

  /// Takes the frame at `cursor` out, which then stands at the next one; nil past the end.
  public mutating func take(at cursor: inout FrameListCursor) -> UniqueFrame<Metadata>? {
    guard let slot = checked(cursor) else { return nil }
    let links = slot.listLinks
    link(links.previous, to: links.next)
    linkBack(links.next, to: links.previous)
    slot.setListIdentifier(0)
    count -= 1
    cursor.slot = links.next
    // SAFETY: the list held this frame's unique count, and lets go of it here.
    return unsafe UniqueFrame(adopting: slot)
  }

  /// Calls `body` with the metadata of the frame at `cursor`, to read or change; nil past the end.
  public mutating func withMetadata<Result, Failure: Error>(
    at cursor: FrameListCursor, _ body: (inout Metadata) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let slot = checked(cursor) else { return nil }
    // SAFETY: the list holds the unique count of its members, whose metadata is a `Metadata`.
    return try unsafe body(&slot.storage(as: Metadata.self).pointee)
  }
}

extension FrameList where Metadata: ~Copyable {
  private borrowing func isMember(_ slot: FrameSlotReference) -> Bool {
    identifier != 0 && slot.listIdentifier == identifier
  }

  /// The slot at `cursor`, which is nil past the end. Traps if its frame has left this list.
  private borrowing func checked(_ cursor: FrameListCursor) -> FrameSlotReference? {
    guard let slot = cursor.slot else { return nil }
    require(isMember(slot), "a cursor's frame is not in this list", slot.address)
    return slot
  }

  private mutating func link(_ slot: FrameSlotReference?, to next: FrameSlotReference?) {
    if let slot { slot.listLinks.next = next } else { first = next }
  }

  private mutating func linkBack(_ slot: FrameSlotReference?, to previous: FrameSlotReference?) {
    if let slot { slot.listLinks.previous = previous } else { last = previous }
  }

  private static func makeIdentifier() -> UInt64 {
    // Ordering: relaxed; that each answer is another number is all that matters.
    let old = listCount.wrappingAdd(1, ordering: .relaxed).oldValue
    require(old < 1 << 62, "more lists were made than can be told apart")
    return old + 1
  }
}

extension FrameList where Metadata: ~Copyable {
  /// Calls `report` once for each rule of a list that does not hold. Visits every member.
  public borrowing func checkInvariants(_ report: (StaticString) -> Void) {
    var seen = 0
    var previous: FrameSlotReference?
    var next = first
    while let slot = next, seen <= count {
      if slot.listIdentifier != identifier { report("a member of a list carries its identifier") }
      if slot.count != ReferenceCount.unique { report("a member of a list has one unique owner") }
      if slot.listLinks.previous != previous {
        report("a member of a list links to the one before")
      }
      previous = slot
      next = slot.listLinks.next
      seen += 1
    }
    if previous != last { report("the last member of a list ends it") }
    if seen != count { report("a list has as many members as it counts") }
    if count > 0 && identifier == 0 { report("a list that has members has an identifier") }
  }
}

/// A position in a `FrameList`: at one of its frames, or past the end, which is also before the
/// front.
///
/// It does not keep its frame in the list: using one whose frame has left the list traps.
public struct FrameListCursor: Equatable, Sendable {
  fileprivate var slot: FrameSlotReference?

  /// The frame that this stands at, or nil past the end.
  public var address: PhysicalAddress? { slot?.address }
}
