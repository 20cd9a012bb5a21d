import Foundation
import SimulatedMachine
import TesseraFrames
import Testing

extension OnSimulatedMachine.ConcurrencyTests {
  /// A deliberate race, to verify that the sanitizer detects missing ordering.
  @Suite("Concurrency under ThreadSanitizer") struct ConcurrencyDetectorTests {
    @Test(.enabled(if: ThreadSanitizer.isOn))
    func `metadata that two owners write concurrently is reported`() async throws {
      let result = await #expect(
        processExitsWith: .failure, observing: [\.standardErrorContent]
      ) {
        let machine = SimulatedMachine(frameCount: 8, processorCount: 2)
        let frame = try Frame(allocating: PlainMemory())
        let slot = FrameTable.slot(number: frame.address.rawValue >> 12)
        machine.onEveryProcessor { _ in
          for _ in 0..<10_000 {
            let shared = unsafe AnyFrame(adopting: slot.shareForRace())
            unsafe slot.storage(as: UInt64.self).pointee += 1
            _ = consume shared
          }
        }
      }
      let bytes = try #require(result).standardErrorContent
      #expect(String(decoding: bytes, as: UTF8.self).contains("WARNING: ThreadSanitizer"))
    }
  }
}

extension FrameSlotReference {
  /// Adds a reference for the caller to adopt.
  fileprivate func shareForRace() -> FrameSlotReference {
    share()
    return self
  }
}

private enum ThreadSanitizer {
  /// Whether this process was compiled with ThreadSanitizer.
  static var isOn: Bool { dlsym(nil, "__tsan_init") != nil }
}
