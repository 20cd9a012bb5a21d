import SimulatedMachine
import Synchronization
import TesseraHardware

@testable import TesseraFrames

/// What tests of processors' caches do on the current processor.
enum CacheUse {
  /// Allocates `frameCount` frames and frees them, so that the cache has some.
  static func fill(_ frameCount: Int = 40) throws {
    var addresses: [PhysicalAddress] = []
    for _ in 0..<frameCount { addresses.append(try FrameAllocator.allocate(1, .uninitialized)) }
    for address in addresses { FrameAllocator.free(address) }
  }

  /// Allocates frames until a request fails.
  static func allocateAll() -> [PhysicalAddress] {
    var addresses: [PhysicalAddress] = []
    while let address = try? FrameAllocator.allocate(1, .uninitialized) {
      addresses.append(address)
    }
    return addresses
  }
}

/// What the allocator interrupts other processors by.
enum Interrupts {
  private static let count = Atomic<Int>(0)

  /// How often it did.
  static var callCount: Int { count.load(ordering: .relaxed) }

  /// Has the allocator interrupt others, which answer at once.
  static func connect() {
    FrameAllocator.askOthers { processors, group in
      Interrupts.count.wrappingAdd(1, ordering: .relaxed)
      Processor.interrupt(ProcessorSet(rawValue: processors), group: group)
      return processors
    }
  }

  /// Has the allocator interrupt others, whose interrupts are off: they do not answer.
  static func connectToDeaf() {
    FrameAllocator.askOthers { processors, group in
      Interrupts.count.wrappingAdd(1, ordering: .relaxed)
      return processors
    }
  }
}
