import SimulatedMachine
import Tessera
import TesseraFrames
import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

extension OnSimulatedMachine {
  /// Every request succeeds, or fails with the documented error and changes nothing.
  @Suite("Bad input") struct BadInputTests {
    let machine: SimulatedMachine

    init() throws {
      machine = SimulatedMachine(frameCount: 1024)
      try machine.startKernelSpace()
    }

    /// Addresses at and around every boundary.
    private static let edges: [UInt64] = {
      let boundaries: [UInt64] = [
        0, 4096, 2 << 20, 1 << 30, 1 << 39, 1 << 46, VmSpace.end.rawValue, 1 << 47, 1 << 48,
        1 << 63, 0xffff_8000_0000_0000, KernelSpace.area.lowerBound.rawValue,
        KernelSpace.area.upperBound.rawValue, 0xffff_ffff_8000_0000,
      ]
      let distances: [UInt64] = [0, 1, 8, 512, 4095, 4096, 8192]
      let near = boundaries.flatMap { boundary in
        distances.flatMap { [boundary &+ $0, boundary &- $0] }
      }
      return Set(near + [.max, .max - 1, .max - 4095]).sorted()
    }()

    /// The errors allowed for a range that must lie within `lowest` and `highest`.
    private func allowedErrors(
      _ start: UInt64, _ end: UInt64, within lowest: UInt64, _ highest: UInt64
    ) -> Set<String> {
      var reasons: Set<String> = []
      if start == end { reasons.insert("empty") }
      if start % 4096 != 0 || end % 4096 != 0 { reasons.insert("notAligned") }
      if start < lowest || start > highest || end > highest { reasons.insert("outOfBounds") }
      return reasons
    }

    private func expect(
      _ error: TesseraError?, oneOf allowed: Set<String>, _ start: UInt64, _ end: UInt64
    ) {
      let found = error.map { "\($0)" }
      let isAllowed = found.map { allowed.contains($0) } ?? allowed.isEmpty
      let place = "\(String(start, radix: 16))..<\(String(end, radix: 16))"
      #expect(isAllowed, "\(place): \(found ?? "nothing"), not \(allowed)")
    }

    @Test func `a range of a space is locked, or fails with an error that applies`() throws {
      let space = try VmSpace()
      var count = 0
      for start in Self.edges {
        for end in Self.edges where start <= end {
          count += 1
          var error: TesseraError?
          do throws(TesseraError) {
            let cursor = try space.cursor(over: VirtualAddress(start)..<VirtualAddress(end))
            #expect(cursor.address.rawValue == start)
          } catch let found { error = found }
          expect(
            error, oneOf: allowedErrors(start, end, within: 0, VmSpace.end.rawValue), start, end)
        }
      }
      print("\(count) ranges of a space")
      #expect(count > 5000)
      #expect(space.problems == [])
    }

    @Test func `a range of the kernel virtual area is locked, or fails with an error that applies`()
      throws
    {
      let area = KernelSpace.area
      var count = 0
      for start in Self.edges {
        for end in Self.edges where start <= end {
          count += 1
          var error: TesseraError?
          do throws(TesseraError) {
            _ = try KernelSpace.cursor(over: VirtualAddress(start)..<VirtualAddress(end))
          } catch let found { error = found }
          let reasons = allowedErrors(
            start, end, within: area.lowerBound.rawValue, area.upperBound.rawValue)
          // An empty range at the end of the area is outside it, too.
          let isAtEnd = start == end && start == area.upperBound.rawValue
          expect(error, oneOf: isAtEnd ? ["empty", "outOfBounds"] : reasons, start, end)
        }
      }
      print("\(count) ranges of the kernel virtual area")
      #expect(KernelSpace.problems == [])
    }

    @Test(
      arguments: [
        0..<4096, 0x1f_f000..<0x20_1000, 0..<VmSpace.end.rawValue,
        VmSpace.end.rawValue - 4096..<VmSpace.end.rawValue,
      ] as [Range<UInt64>])
    func `a cursor jumps only within its range`(range: Range<UInt64>) throws {
      let space = try VmSpace()
      var cursor = try space.cursor(
        over: VirtualAddress(range.lowerBound)..<VirtualAddress(range.upperBound))
      for address in Self.edges {
        let before = cursor.address
        var error: TesseraError?
        do throws(TesseraError) { try cursor.jump(to: VirtualAddress(address)) } catch let found {
          error = found
        }
        let isInside = range.contains(address) || address == range.upperBound
        let expected: TesseraError? =
          address % 4096 != 0 ? .notAligned : isInside ? nil : .outOfBounds
        #expect(error == expected, "\(String(address, radix: 16))")
        let after = cursor.address
        #expect(after == (expected == nil ? VirtualAddress(address) : before))
      }
    }

    @Test func `an unmapped address is not translated`() throws {
      let space = try VmSpace()
      space.activate()
      for address in Self.edges {
        #expect(space.translate(VirtualAddress(address)) == nil, "\(String(address, radix: 16))")
        #expect(KernelSpace.translate(VirtualAddress(address)) == nil)
      }
      VmSpace.deactivate()
    }

    @Test func `claiming memory that is in use or invalid fails and changes nothing`() throws {
      let machine = SimulatedMachine(frameCount: 64, reserved: 4)
      try machine.startKernelSpace()
      let space = try VmSpace()
      let mapped = try mapFrame(at: 0x5000, in: space)
      let node = try #require(space.rootNode.node(for: 0x5000, at: 1))
      let before = space.rootNode.hash()
      let used = FrameAllocator.statistics.usedFrameCount
      let claims: [(UInt64, TesseraError)] = [
        (mapped.rawValue, .inUse), (node.address.rawValue, .inUse),
        (space.rootAddress.rawValue, .inUse), (node.address.rawValue + 8, .notAligned),
        (mapped.rawValue + 1, .notAligned), (64 << 12, .outOfBounds), (1 << 40, .outOfBounds),
        (1 << 52 - 4096, .outOfBounds), (512, .notAligned),
      ]
      for (address, expected) in claims {
        #expect(throws: expected, "\(String(address, radix: 16))") {
          _ = try Frame(claiming: PhysicalAddress(address), metadata: PlainMemory())
        }
      }
      // A node can be shared, which keeps it, but not claimed.
      let shared = try AnyFrame(sharing: node.address)
      let isUntyped = shared.isUntyped
      #expect(!isUntyped)
      #expect(FrameAllocator.statistics.usedFrameCount == used)
      #expect(space.rootNode.hash() == before)
    }

    @Test(arguments: [1, 8, 512, 4095] as [UInt64])
    func `device memory at an unaligned address traps`(distance: UInt64) async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) { [distance] in
        SimulatedMachine.permanent(frameCount: 64)
        let root = try FrameAllocator.allocate()
        unsafe Processor.loadRootRegister(root.rawValue)
        try KernelSpace.start()
        let space = try VmSpace()
        var cursor = try space.cursor(over: bytes(0, 4096))
        try unsafe cursor.mapDevice(
          PhysicalAddress(0x10_0000_0000 + distance), byteCount: 4096, as: .userReadWrite)
      }
      try expectPanic(in: result, "device memory is not page-aligned")
    }
  }
}
