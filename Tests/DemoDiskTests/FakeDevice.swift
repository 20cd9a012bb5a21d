import TesseraFrames
import TesseraHardware

@testable import DemoDisk

/// The device's side of a queue: reads what was published, and returns chains, in any order.
final class FakeDevice {
  let size: UInt16
  let descriptors, available, used: PhysicalAddress
  private var takenCount: UInt16 = 0
  private var returnedCount: UInt16 = 0

  /// A part of a request, as the device sees it.
  struct Part: Equatable {
    let address: UInt64
    let byteCount: UInt32
    let isWritten: Bool
  }

  init(_ queue: borrowing Virtqueue) {
    size = queue.size
    descriptors = queue.descriptors
    available = queue.availableRing
    used = queue.usedRing
  }

  private func load<Number>(_ place: PhysicalAddress, as type: Number.Type) -> Number {
    unsafe PhysicalMemory.pointer(to: place).load(as: type)
  }

  private func store<Number>(_ value: Number, to place: PhysicalAddress) {
    unsafe PhysicalMemory.pointer(to: place).storeBytes(of: value, as: Number.self)
  }

  /// Asks the driver not to notify it, or to do so.
  func setQuiet(_ isQuiet: Bool) { store(UInt16(isQuiet ? 1 : 0), to: used) }

  var isToldNotToInterrupt: Bool { load(available, as: UInt16.self) == 1 }

  /// Takes the next chain that was published. Returns the number of its first descriptor.
  func take() -> UInt16? {
    guard load(available + 2, as: UInt16.self) != takenCount else { return nil }
    defer { takenCount &+= 1 }
    return load(available + 4 + UInt64(takenCount % size) * 2, as: UInt16.self)
  }

  /// The parts of the chain that begins at `head`.
  func parts(_ head: UInt16) -> [Part] {
    var parts: [Part] = []
    var next: UInt16? = head
    while let number = next, parts.count < 10 {
      let place = descriptors + UInt64(number) * 16
      let flags = load(place + 12, as: UInt16.self)
      parts.append(
        Part(
          address: load(place, as: UInt64.self), byteCount: load(place + 8, as: UInt32.self),
          isWritten: flags & 2 != 0))
      next = flags & 1 != 0 ? load(place + 14, as: UInt16.self) : nil
    }
    return parts
  }

  /// Returns the chain that begins at `head` to the driver.
  func returnChain(_ head: UInt32) {
    let place = used + 4 + UInt64(returnedCount % size) * 8
    store(head, to: place)
    store(513 as UInt32, to: place + 4)
    returnedCount &+= 1
    store(returnedCount, to: used + 2)
  }
}
