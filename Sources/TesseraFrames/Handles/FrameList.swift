internal import Synchronization
public import TesseraHardware

/// The number of list identifiers that have been assigned.
///
/// Access: atomic.
private let listCount = Atomic<UInt64>(0)

/// A doubly linked list of unique frames, whose links are in the frames' slots.
///
/// The list owns its members: destroying it destroys them. Every operation takes constant time,
/// including the test whether a frame is in this list, because the slot of a member has the list's
/// identifier. The metadata has at most 24 bytes, to leave room for the links. Positions in the
/// list are `FrameListCursor`s.
public struct FrameList<Metadata: FrameMetadata & ~Copyable>: ~Copyable, Sendable {
  /// The number of frames in the list.
  public private(set) var count = 0

  private(set) var first: FrameSlotReference?
  private(set) var last: FrameSlotReference?

  /// The identifier in the slots of members, or 0 until the first frame is inserted.
  private(set) var identifier: UInt64 = 0

  /// - Precondition: `Metadata` has at most 24 bytes.
  public init() {
    require(
      MemoryLayout<Metadata>.size <= FrameSlot.listableByteCount,
      "metadata of frames in a list is larger than 24 bytes")
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
  /// Returns whether the frame at `address` is in this list; false if there is no such frame.
  public borrowing func contains(_ address: PhysicalAddress) -> Bool {
    cursor(at: address) != nil
  }

  /// Inserts `frame` at the front.
  public mutating func pushFront(_ frame: consuming UniqueFrame<Metadata>) {
    insert(frame, before: front)
  }

  /// Inserts `frame` at the back.
  public mutating func pushBack(_ frame: consuming UniqueFrame<Metadata>) {
    insert(frame, before: FrameListCursor(slot: nil))
  }

  /// Removes and returns the first frame, or nil if the list is empty.
  public mutating func popFront() -> UniqueFrame<Metadata>? {
    var cursor = front
    return remove(at: &cursor)
  }

  /// Removes and returns the last frame, or nil if the list is empty.
  public mutating func popBack() -> UniqueFrame<Metadata>? {
    var cursor = back
    return remove(at: &cursor)
  }
}

extension FrameList where Metadata: ~Copyable {
  /// The position of the first frame, or past the end if the list is empty.
  public var front: FrameListCursor { FrameListCursor(slot: first) }

  /// The position of the last frame, or past the end if the list is empty.
  public var back: FrameListCursor { FrameListCursor(slot: last) }

  /// Returns the position of the frame at `address`, or nil if it is not in this list.
  public borrowing func cursor(at address: PhysicalAddress) -> FrameListCursor? {
    guard let slot = try? FrameTable.slot(at: address), isMember(slot) else { return nil }
    return FrameListCursor(slot: slot)
  }

  /// Moves `cursor` to the next frame. The list is circular: past the end follows the last frame,
  /// and the first frame follows past the end.
  public borrowing func moveNext(_ cursor: inout FrameListCursor) {
    cursor.slot = checked(cursor).map { $0.listLinks.next } ?? first
  }

  /// Moves `cursor` to the previous frame, in the reverse order of `moveNext`.
  public borrowing func movePrevious(_ cursor: inout FrameListCursor) {
    cursor.slot = checked(cursor).map { $0.listLinks.previous } ?? last
  }

  /// Inserts `frame` before the position of `cursor`.
  public mutating func insert(
    _ frame: consuming UniqueFrame<Metadata>, before cursor: FrameListCursor
  ) {
    let next = checked(cursor)
    let slot = frame.relinquishSlot()
    if identifier == 0 { identifier = Self.nextIdentifier() }
    let previous = next == nil ? last : next?.listLinks.previous
    slot.listLinks = FrameLinks(next: next, previous: previous)
    slot.setListIdentifier(identifier)
    link(previous, to: slot)
    linkBack(next, to: slot)
    count += 1
  }

  /// Removes and returns the frame at `cursor`, and moves `cursor` to the next one. Returns nil
  /// past the end.
  public mutating func remove(at cursor: inout FrameListCursor) -> UniqueFrame<Metadata>? {
    guard let slot = checked(cursor) else { return nil }
    let links = slot.listLinks
    link(links.previous, to: links.next)
    linkBack(links.next, to: links.previous)
    slot.setListIdentifier(0)
    count -= 1
    cursor.slot = links.next
    // SAFETY: the list relinquishes its unique reference to this frame.
    return unsafe UniqueFrame(adopting: slot)
  }

  /// Calls `body` with the metadata of the frame at `cursor`, which it may change. Returns nil past
  /// the end.
  public mutating func withMetadata<Result, Failure: Error>(
    at cursor: FrameListCursor, _ body: (inout Metadata) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    guard let slot = checked(cursor) else { return nil }
    // SAFETY: the list has the unique references to its members, whose metadata is a `Metadata`.
    return try unsafe body(&slot.storage(as: Metadata.self).pointee)
  }
}

extension FrameList where Metadata: ~Copyable {
  private borrowing func isMember(_ slot: FrameSlotReference) -> Bool {
    identifier != 0 && slot.listIdentifier == identifier
  }

  /// The slot at `cursor`, or nil past the end.
  ///
  /// - Precondition: The frame at `cursor` is in this list.
  private borrowing func checked(_ cursor: FrameListCursor) -> FrameSlotReference? {
    guard let slot = cursor.slot else { return nil }
    require(isMember(slot), "used a cursor whose frame is not in the list", slot.address)
    return slot
  }

  private mutating func link(_ slot: FrameSlotReference?, to next: FrameSlotReference?) {
    if let slot { slot.listLinks.next = next } else { first = next }
  }

  private mutating func linkBack(_ slot: FrameSlotReference?, to previous: FrameSlotReference?) {
    if let slot { slot.listLinks.previous = previous } else { last = previous }
  }

  private static func nextIdentifier() -> UInt64 {
    // Ordering: relaxed; the numbers only have to differ.
    let old = listCount.wrappingAdd(1, ordering: .relaxed).oldValue
    require(old < 1 << 62, "ran out of list identifiers")
    return old + 1
  }
}

/// A position in a `FrameList`: at one of its frames, or past the end.
///
/// It does not keep its frame in the list. Using one whose frame was removed is a precondition
/// failure.
public struct FrameListCursor: Equatable, Sendable {
  fileprivate var slot: FrameSlotReference?

  /// The address of the frame at the position, or nil past the end.
  public var address: PhysicalAddress? { slot?.address }
}
