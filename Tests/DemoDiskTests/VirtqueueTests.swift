import SimulatedMachine
import TesseraFrames
import TesseraHardware
import TestSupport
import Testing

@testable import DemoDisk

extension OnSimulatedMachine {
  @Suite("Queue of a virtio device") struct VirtqueueTests {
    let machine = SimulatedMachine(frameCount: 64)

    @Test func `the device sees what was published, in order, as both indices wrap`() throws {
      let queue = try TestQueue(size: 8)
      let device = queue.device
      #expect(device.isToldNotToInterrupt)
      #expect(queue.takeReturned() == nil && device.take() == nil)
      // More chains than the indices can count.
      for round in 0..<30_000 as Range<UInt32> {
        let heads = (0..<5).map { UInt16((Int(round) + $0) % 8) }
        for head in heads { _ = queue.publish(head) }
        for head in heads { try #require(device.take() == head) }
        try #require(device.take() == nil && queue.takeReturned() == nil)
        for head in heads.reversed() { device.returnChain(UInt32(head)) }
        for head in heads.reversed() { try #require(queue.takeReturned() == UInt32(head)) }
        try #require(queue.takeReturned() == nil)
      }
      #expect(FrameAllocator.statistics.freeFrameCount == 62)
    }

    @Test func `a chain has its parts`() throws {
      let queue = try TestQueue(size: 256)
      let device = queue.device
      let address = PhysicalAddress(0xf_1234_5678_9000)
      queue.set(
        253, to: .init(address: address, byteCount: 16, isWritten: false, next: 7))
      queue.set(7, to: .init(address: .zero, byteCount: .max, isWritten: true, next: 255))
      queue.set(255, to: .init(address: address, byteCount: 1, isWritten: true, next: nil))
      _ = queue.publish(253)
      #expect(device.take() == 253)
      #expect(
        device.parts(253) == [
          .init(address: address.rawValue, byteCount: 16, isWritten: false),
          .init(address: 0, byteCount: .max, isWritten: true),
          .init(address: address.rawValue, byteCount: 1, isWritten: true),
        ])
    }

    @Test func `a device that is awake is not notified`() throws {
      let queue = try TestQueue(size: 4)
      let device = queue.device
      #expect(queue.publish(0))
      device.setQuiet(true)
      #expect(!queue.publish(1))
      device.setQuiet(false)
      #expect(queue.publish(2))
    }

    @Test func `the parts of the largest queue do not overlap`() throws {
      let queue = try TestQueue(size: Virtqueue.largestSize)
      let device = queue.device
      let size = UInt64(device.size)
      #expect(device.descriptors.isAligned(to: .fourKiB))
      #expect(device.descriptors + size * 16 <= device.available)
      #expect(device.available + 6 + size * 2 <= device.used)
      #expect(device.used.rawValue % 4 == 0)
      #expect(device.used + 6 + size * 8 <= device.descriptors + 8192)
    }
  }
}

/// A queue and its device. An expectation calls methods of a class alone that change something.
private final class TestQueue {
  private var queue: Virtqueue
  let device: FakeDevice

  init(size: UInt16) throws {
    queue = try Virtqueue(size: size)
    device = FakeDevice(queue)
  }

  func set(_ number: UInt16, to descriptor: VirtqueueDescriptor) {
    queue.set(number, to: descriptor)
  }

  func publish(_ head: UInt16) -> Bool { queue.publish(head) }

  func takeReturned() -> UInt32? { queue.takeReturned() }
}
