import MultibootFuzz
import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

@testable import DemoDisk

extension OnSimulatedMachine {
  @Suite("Requests of a disk") struct DiskRequestsTests {
    let machine = SimulatedMachine(frameCount: 64)

    @Test func `the device reads the operation and the sector`() throws {
      let requests = try TestRequests(count: 85)
      for token in 0..<85 as Range<UInt64> {
        let number = try #require(
          requests.begin(token, operation: 4, firstSector: 0x1234_5678_9abc + token))
        let header = unsafe PhysicalMemory.pointer(to: requests.header(of: number))
        #expect(unsafe header.load(as: UInt64.self) == 4)
        #expect(
          unsafe header.load(fromByteOffset: 8, as: UInt64.self) == 0x1234_5678_9abc + token)
      }
      #expect(requests.freeCount == 0 && requests.begin(9) == nil)
    }

    @Test func `a status other than 0 is a failure, and so is none`() throws {
      let requests = try TestRequests(count: 4)
      for (status, succeeded) in [(0, true), (1, false), (2, false), (nil, false)]
        as [(UInt8?, Bool)]
      {
        let number = try #require(requests.begin(3))
        if let status { requests.setStatus(status, of: number) }
        requests.end(number)
        let outcome = try #require(requests.takeEnded())
        #expect(outcome.token == 3 && outcome.succeeded == succeeded)
      }
    }

    @Test func `a request that is waited for is no one else's`() throws {
      let requests = try TestRequests(count: 4)
      let waited = try #require(requests.begin(1, for: .waiter))
      let other = try #require(requests.begin(2))
      #expect(requests.takeAwaited(waited) == nil)
      requests.end(waited, succeeded: true)
      #expect(requests.takeEnded() == nil && requests.takeAwaited(other) == nil)
      requests.end(other, succeeded: false)
      #expect(requests.takeAwaited(waited)?.succeeded == true)
      #expect(requests.takeAwaited(waited) == nil)
      #expect(requests.takeEnded()?.succeeded == false)
      #expect(requests.takeEnded() == nil && requests.freeCount == 4)
    }

    /// Random sequences against what was begun and ended.
    @Test(.seeded(1)) func `each request is taken once, in the order in which they ended`() throws {
      var random = FuzzGenerator(seed: Seed.current)
      let requests = try TestRequests(count: 7)
      var atDevice: [(number: Int, token: UInt64)] = []
      var ended: [UInt64] = []
      for token in 0..<UInt64(Seed.rounds(50_000, ofRange: 500)) {
        switch random.next() % 3 {
        case 0:
          let number = requests.begin(token)
          #expect((number == nil) == (atDevice.count + ended.count == 7))
          if let number { atDevice.append((number, token)) }
        case 1 where !atDevice.isEmpty:
          let request = atDevice.remove(at: Int(random.next() % UInt64(atDevice.count)))
          requests.end(request.number, succeeded: request.token % 2 == 0)
          ended.append(request.token)
        default:
          let outcome = requests.takeEnded()
          let first = ended.isEmpty ? nil : ended.removeFirst()
          try #require(outcome?.token == first)
          try #require(outcome?.succeeded == first.map { $0 % 2 == 0 })
        }
        try #require(requests.freeCount == 7 - atDevice.count - ended.count)
      }
    }

    @Test func `a request that the disk ends twice is found`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 64)
        let requests = try TestRequests(count: 4)
        let number = requests.begin(0)
        requests.end(number!)
        requests.end(number!)
      }
      try expectPanic(in: result, "the disk has ended a request that it was not given")
    }

    @Test func `a request that does not exist is found`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        SimulatedMachine.permanent(frameCount: 64)
        let requests = try TestRequests(count: 4)
        requests.end(4)
      }
      try expectPanic(in: result, "the disk has ended a request that does not exist")
    }
  }
}

/// Requests of a disk. An expectation calls methods of a class alone that change something.
private final class TestRequests {
  private var requests: DiskRequests

  init(count: Int) throws { requests = try DiskRequests(count: count) }

  var freeCount: Int { requests.freeCount }

  func header(of number: Int) -> PhysicalAddress { requests.header(of: number) }

  func begin(
    _ token: UInt64, operation: UInt32 = 1, firstSector: UInt64 = 5,
    for taker: DiskRequests.Taker = .anyone
  ) -> Int? {
    requests.begin(operation: operation, firstSector: firstSector, token: token, for: taker)
  }

  func end(_ number: Int, succeeded: Bool? = nil) { requests.end(number, succeeded: succeeded) }

  func takeEnded() -> DiskRequests.Outcome? { requests.takeEnded() }

  func takeAwaited(_ number: Int) -> DiskRequests.Outcome? { requests.takeAwaited(number) }

  /// Stores what the device says of a request.
  func setStatus(_ status: UInt8, of number: Int) {
    unsafe PhysicalMemory.pointer(to: requests.status(of: number))
      .storeBytes(of: status, as: UInt8.self)
  }
}
