import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Every operation on every pair of adjacent pages, in every state of a page.
  @Suite("Page states") struct PageStateTests {
    /// The state of a page before the operation.
    enum State: CaseIterable {
      case absent, status, frame, hidden, device, partOfTwoMiB, partOfOneGiB, partOfStatus

      var isMapped: Bool { self != .absent && self != .status && self != .partOfStatus }
    }

    enum Operation: CaseIterable {
      case mapFrame, mapSegment, mapDevice, replace, unmap, protect, setStatus, copyHere, findNext
    }

    /// The second page is 1 GiB aligned, so the two lie in different tables.
    private static let border: UInt64 = 2 << 30

    /// Puts the page at `address`, or the large page on this side of the border, in `state`.
    private func make(
      _ state: State, at address: UInt64, isAbove: Bool, in space: borrowing VmSpace
    ) throws {
      let memory: UInt64 = 0x40_0000_0000
      func start(_ size: UInt64) -> UInt64 { isAbove ? Self.border : Self.border - size }
      switch state {
      case .absent: break
      case .status: try mark(address, 4096, as: 5, in: space)
      case .frame: try mapFrame(at: address, in: space)
      case .hidden: try mapFrame(at: address, in: space, as: PageProperty(.none, isUser: true))
      case .device: try mapDevice(at: address, memory, 4096, in: space)
      case .partOfTwoMiB: try mapDevice(at: start(2 << 20), memory, 2 << 20, in: space)
      case .partOfOneGiB: try mapDevice(at: start(1 << 30), memory, 1 << 30, in: space)
      case .partOfStatus: try mark(start(1 << 30), 1 << 30, as: 6, in: space)
      }
    }

    @Test func `an operation succeeds or fails according to the states of its pages`() throws {
      var count = 0
      for first in State.allCases {
        for second in State.allCases {
          for operation in Operation.allCases {
            for pageCount in 1...2 as ClosedRange<UInt64> {
              for coversBoth in [true, false] where coversBoth || pageCount == 1 {
                try check(operation, first, second, pageCount, coversBoth: coversBoth)
                count += 1
              }
            }
          }
        }
      }
      print("\(count) operations on pages in states")
      #expect(count > 1500)
    }

    private func check(
      _ operation: Operation, _ first: State, _ second: State, _ pageCount: UInt64,
      coversBoth: Bool
    ) throws {
      let machine = SimulatedMachine(frameCount: 128)
      try machine.startKernelSpace()
      let used = FrameAllocator.statistics.usedFrameCount
      do {
        let space = try VmSpace()
        let other = try VmSpace()
        let start = Self.border - 4096
        try make(first, at: start, isAbove: false, in: space)
        try make(second, at: Self.border, isAbove: true, in: space)
        let before = space.rootNode.hash()
        let states = pageCount == 1 ? [first] : [first, second]
        let expected = expectedError(of: operation, states, at: start)
        let range = bytes(start, coversBoth ? 8192 : 4096)
        let error = try perform(operation, pageCount, start, over: range, of: space, from: other)
        let what: Comment = "\(operation) of \(pageCount) pages: \(first), \(second)"
        #expect(error == expected, what)
        if expected != nil { #expect(space.rootNode.hash() == before, what) }
        #expect(space.problems == [], what)
        expectNeighbour(second, isTouched: pageCount == 2, expected == nil, in: space, what)
      }
      NodePool.drain()
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(machine.violations == [])
    }

    private func expectedError(
      of operation: Operation, _ states: [State], at start: UInt64
    ) -> TesseraError? {
      func address(_ index: Int) -> VirtualAddress { VirtualAddress(start + UInt64(index) * 4096) }
      switch operation {
      case .mapFrame: return states[0].isMapped ? .alreadyMapped(address(0)) : nil
      case .mapSegment, .mapDevice, .setStatus:
        return states.firstIndex { $0.isMapped }.map { .alreadyMapped(address($0)) }
      case .copyHere:
        return states.firstIndex { $0 != .absent }.map { .alreadyMapped(address($0)) }
      case .replace: return states[0].isMapped ? nil : .notMapped(address(0))
      case .unmap, .protect, .findNext: return nil
      }
    }

    /// Performs `operation`. Returns its error, or nil.
    private func perform(
      _ operation: Operation, _ pageCount: UInt64, _ start: UInt64,
      over range: Range<VirtualAddress>, of space: borrowing VmSpace, from other: borrowing VmSpace
    ) throws -> TesseraError? {
      var frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
      var segment: Segment<PlainMemory>? = try Segment(allocating: Int(pageCount)) { _ in
        PlainMemory()
      }
      try mapFrame(at: 0x5000, in: other)
      var cursor = try space.cursor(over: range)
      var source = try other.cursor(over: bytes(0x5000, pageCount * 4096))
      do throws(TesseraError) {
        switch operation {
        case .mapFrame: try cursor.map(&frame, as: .userReadWrite)
        case .mapSegment: try cursor.map(&segment, as: .userReadWrite)
        case .mapDevice:
          try unsafe cursor.mapDevice(
            PhysicalAddress(0x50_0000_0000), byteCount: pageCount * 4096, as: .userReadWrite)
        case .replace: try cursor.replace(with: &frame, as: .userReadWrite)
        case .unmap: try cursor.unmap(pageCount * 4096)
        case .protect: try cursor.protect(pageCount * 4096, to: .read)
        case .setStatus: try cursor.setStatus(pageCount * 4096, to: 1)
        case .copyHere: try cursor.copy(from: &source, pageCount * 4096)
        case .findNext: _ = cursor.findNext(within: pageCount * 4096)
        }
        return nil
      } catch {
        #expect(cursor.address.rawValue == start)
        #expect(source.address.rawValue == 0x5000)
        return error
      }
    }

    /// Expects the page above the border to be unchanged, unless the operation reached it.
    private func expectNeighbour(
      _ state: State, isTouched: Bool, _ isDone: Bool, in space: borrowing VmSpace, _ what: Comment
    ) {
      guard !isTouched || !isDone else { return }
      let isMapped = space.translate(VirtualAddress(Self.border)) != nil
      #expect(isMapped == (state.isMapped && state != .hidden), what)
      let last = VirtualAddress(Self.border + 1 << 30 - 1)
      #expect((space.translate(last) != nil) == (state == .partOfOneGiB), what)
    }
  }
}
