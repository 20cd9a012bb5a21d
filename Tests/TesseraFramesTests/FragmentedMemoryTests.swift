import Scenarios
import SimulatedMachine
import TesseraHardware
import TestSupport
import Testing

@testable import TesseraFrames

extension OnSimulatedMachine {
  /// Allocations from memory whose free frames are scattered, on both sides of the border of a
  /// zone.
  @Suite("Fragmented memory") struct FragmentedMemoryTests {
    /// The first frames of the zones above the lowest: at 16 MiB and at 4 GiB.
    static let borders = [16 << 8, 1 << 20]

    /// A machine with 1,024 frames below `border`, and 2,048 above.
    private func machine(around border: Int) -> SimulatedMachine {
      SimulatedMachine(frameCount: border + 2048, reserved: border - 1024, isFilled: false)
    }

    private func violations() -> [String] {
      var found: [String] = []
      FrameAllocator.checkInvariants { found.append("\($0)") }
      return found
    }

    /// Allocates single frames until none is left.
    private func allocateAll() -> [Int] {
      var numbers: [Int] = []
      while let address = try? FrameAllocator.allocate(1, .uninitialized) {
        numbers.append(Int(address.frameNumber))
      }
      return numbers
    }

    private func free(_ numbers: some Sequence<Int>) {
      for number in numbers { FrameAllocator.free(PhysicalAddress(UInt64(number) << 12)) }
    }

    /// Frees what lies below `border`, and `pattern` bits of each eight frames above.
    ///
    /// Returns the number of the latter.
    private func fragment(around border: Int, pattern: Int) -> Int {
      let all = allocateAll()
      #expect(Set(all).count == 1024 + 2048)
      free(all.filter { $0 < border })
      let above = all.filter { $0 >= border && pattern >> ($0 % 8) & 1 == 1 }
      free(above)
      FrameAllocator.drainCache()
      return above.count
    }

    /// At 16 MiB, where a free block of the same size can lie on each side, aligned to twice that.
    /// Below 4 GiB there is no block of 4 GiB, because it would include the lowest zone.
    @Test func `free blocks do not merge across the border of a zone`() throws {
      let border = Self.borders[0]
      let machine = SimulatedMachine(frameCount: 2 * border, isFilled: false)
      func expectOneBlockOnEachSide() {
        #expect(FrameAllocator.statistics.largestFreeBlock == UInt64(border))
        #expect(violations() == [])
      }
      expectOneBlockOnEachSide()
      let limit = FrameRequest(
        isZeroed: false, below: PhysicalAddress(UInt64(border) << 12))
      // In both orders, so that each side is freed while the other is free.
      for isLowFirst in [false, true] {
        let low = try FrameAllocator.allocate(border, limit)
        let high = try FrameAllocator.allocate(border, .uninitialized)
        #expect(low.frameNumber == 0 && high.frameNumber == UInt64(border))
        FrameAllocator.free(isLowFirst ? low : high, border)
        FrameAllocator.free(isLowFirst ? high : low, border)
        expectOneBlockOnEachSide()
      }
      _ = machine
    }

    @Test(arguments: borders, [0b0101_0101, 0b1000_1100, 0b1111_0010, 0b1101_1011, 0b1111_1111])
    func `an allocation storm takes no low frame while there are higher ones`(
      border: Int, pattern: Int
    ) {
      let machine = machine(around: border)
      let count = fragment(around: border, pattern: pattern)
      let storm = allocateAll()
      #expect(storm.count == count + 1024)
      #expect(storm.prefix(count).allSatisfy { $0 >= border })
      // It does go on below the border once nothing is left above.
      #expect(storm.dropFirst(count).allSatisfy { $0 < border })
      #expect(violations() == [])
      _ = machine
    }

    @Test(.seeded(16), arguments: borders)
    func `frames freed during a storm are used before low ones`(border: Int) {
      let machine = machine(around: border)
      let count = fragment(around: border, pattern: 0b0101_0101)
      var generator = SplitMix(seed: Seed.current ^ UInt64(border) << 32)
      var held: [Int] = []
      var low = 0
      for _ in 0..<Seed.rounds(20_000, ofRange: 4_000) {
        if held.count < count, !generator.oneIn(3) {
          guard let address = try? FrameAllocator.allocate(1, .uninitialized) else { break }
          held.append(Int(address.frameNumber))
          if held[held.count - 1] < border { low += 1 }
        } else if !held.isEmpty {
          free([held.remove(at: generator.below(held.count))])
        }
      }
      #expect(low == 0)
      free(held)
      #expect(violations() == [])
      _ = machine
    }
  }
}
