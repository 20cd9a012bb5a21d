import SimulatedMachine
import TesseraHardware
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// Violates each invariant of the slots once, to verify that it is checked.
  @Suite("Invariants of slots") struct FrameInvariantTests {
    let machine = SimulatedMachine(frameCount: 4, reserved: 4)

    /// The violations in a slot of this count, kind and list.
    private func violations(
      count: UInt64, kind: FrameKind = .of(PlainMemory.self), list: UInt64 = 0
    ) throws -> [String] {
      let slot = try FrameTable.slot(at: machine.address(1))
      slot.setCount(count)
      slot.setKind(kind)
      slot.setListIdentifier(list)
      var found: [String] = []
      FrameTable.checkInvariants { text, _ in found.append("\(text)") }
      slot.setCount(ReferenceCount.unused)
      slot.setKind(.none)
      slot.setListIdentifier(0)
      return found
    }

    @Test func `a count that says nothing, or that the frame is being changed, is reported`() throws
    {
      #expect(
        try violations(count: ReferenceCount.inTransition)
          == ["frame is still being constructed or destroyed"])
      #expect(
        try violations(count: ReferenceCount.maximum + 1)
          == ["count is neither a number of owners nor a state"])
    }

    @Test func `a frame that is in a list though it is shared is reported`() throws {
      #expect(try violations(count: 1, list: 1) == ["frame in a list is not unique"])
      #expect(try violations(count: ReferenceCount.unique, list: 1) == [])
    }

    @Test func `an unused or free frame of the wrong kind is reported`() throws {
      #expect(try violations(count: ReferenceCount.unused) == ["unused frame has a kind"])
      #expect(
        try violations(count: ReferenceCount.free)
          == ["free frame has the kind of a frame in use"])
    }

    @Test func `a tail frame without its kind or its head is reported`() throws {
      let noHead = "tail frame does not lead to a head of its size"
      #expect(
        try violations(count: ReferenceCount.tail)
          == ["tail frame does not have the usage of one", noHead])
      #expect(try violations(count: ReferenceCount.tail, kind: .tail(of: .twoMiB)) == [noHead])
    }

    @Test func `a frame in use of the wrong kind is reported`() throws {
      let (noMetadata, noUsage) = ("frame in use has no metadata", "frame in use has no usage")
      #expect(try violations(count: 1, kind: .none) == [noMetadata, noUsage])
      #expect(
        try violations(count: 1, kind: .freeBlock(order: 3))
          == [noMetadata, "frame in use starts a free block", noUsage])
      #expect(
        try violations(count: 1, kind: .cached)
          == [noMetadata, noUsage, "frame in use has the kind of a cached frame"])
      #expect(
        try violations(count: 1, kind: FrameKind.of(PlainMemory.self).used(for: .external))
          == [noUsage])
    }
  }
}

extension OnSimulatedMachine {
  /// Violates each invariant of a list of frames once, to verify that it is checked.
  @Suite("Invariants of lists") struct FrameListInvariantTests {
    let machine = SimulatedMachine(frameCount: 16)

    /// The violations in a list of three members that `spoil` has changed, with their slots. They
    /// are then what they were.
    private func violations(
      _ spoil: (borrowing FrameList<ListedNumber>, [FrameSlotReference]) -> Void
    ) throws -> Set<String> {
      var list = FrameList<ListedNumber>()
      var slots: [FrameSlotReference] = []
      for number in 0..<3 {
        let frame = try UniqueFrame(allocating: ListedNumber(number: UInt64(number)))
        slots.append(try FrameTable.slot(at: frame.address))
        list.pushBack(frame)
      }
      let links = slots.map(\.listLinks)
      let identifier = slots[0].listIdentifier
      spoil(list, slots)
      var found: Set<String> = []
      list.checkInvariants { found.insert("\($0)") }
      for (slot, links) in zip(slots, links) {
        slot.listLinks = links
        slot.setListIdentifier(identifier)
        slot.setCount(ReferenceCount.unique)
      }
      list.checkInvariants { Issue.record("\($0)") }
      return found
    }

    @Test func `a member that is not the list's alone is reported`() throws {
      #expect(try violations { _, _ in } == [])
      #expect(
        try violations { $1[1].setListIdentifier($1[1].listIdentifier + 1) }
          == ["member of a list has another identifier"])
      #expect(try violations { $1[1].setCount(1) } == ["member of a list is not unique"])
    }

    @Test func `a wrong link is reported`() throws {
      #expect(
        try violations { $1[1].listLinks.previous = nil }
          == ["member of a list does not link to its predecessor"])
      // The member after it is lost.
      #expect(
        try violations { $1[1].listLinks.next = nil }
          == [
            "last member of a list is not its end", "count of a list does not match its members",
          ])
    }

    @Test func `a list that has lost its identifier is reported`() throws {
      var list = FrameList<ListedNumber>()
      list.pushBack(try UniqueFrame(allocating: ListedNumber(number: 1)))
      let identifier = list.identifier
      Self.setIdentifier(of: &list, to: 0)
      var found: Set<String> = []
      list.checkInvariants { found.insert("\($0)") }
      Self.setIdentifier(of: &list, to: identifier)
      #expect(
        found
          == ["list with members has no identifier", "member of a list has another identifier"])
    }

    /// The identifier is the fourth word of a list.
    private static func setIdentifier(
      of list: inout FrameList<ListedNumber>, to identifier: UInt64
    ) {
      withUnsafeMutablePointer(to: &list) {
        UnsafeMutableRawPointer($0).storeBytes(of: identifier, toByteOffset: 24, as: UInt64.self)
      }
    }
  }
}

/// Metadata that leaves room for the links of a list.
private struct ListedNumber: FrameMetadata {
  let number: UInt64

  static var destructor: FrameMetadataDestructor { { unsafe ListedNumber.destroy(at: $0) } }
}
