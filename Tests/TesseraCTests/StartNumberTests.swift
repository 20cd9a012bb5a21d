import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Powers of two and their neighbours in the configuration of the start.
  @Suite("Numbers of the configuration") struct StartNumberTests {
    /// The fields that may have any number here. A wrong `direct_map`, or more regions than there
    /// are, would read memory that this process does not have.
    enum Field: CaseIterable {
      case size, directMapEnd, imageStart, imageEnd, kernelLowEnd, flags, processorCount

      func set(_ number: UInt64, in config: inout tessera_config) {
        switch self {
        case .size: config.size = number
        case .directMapEnd: config.direct_map_end = number
        case .imageStart: config.image_start = number
        case .imageEnd: config.image_end = number
        case .kernelLowEnd: config.kernel_low_end = number
        case .flags:
          config.flags = number
          // A direct map that was built would be beyond this process.
          config.built_direct_map = 1
        case .processorCount: config.processor_count = UInt32(truncatingIfNeeded: number)
        }
      }
    }

    private static let numbers =
      (0..<64).flatMap { bit -> [UInt64] in [1 << bit - 1, 1 << bit, 1 << bit + 1] }
      + [.max - 4095, .max - 1, .max]

    @Test(arguments: Field.allCases)
    func `any number is an error or starts, and every function then works`(field: Field) throws {
      var machine: LoadedMachine? = LoadedMachine()
      var count = 0
      for number in Self.numbers {
        guard machine?.start(LoadedMachine.regions, { field.set(number, in: &$0) }) == TESSERA_OK
        else { continue }
        count += 1
        try useSpace("\(field) = \(number)")
        #expect(machine?.violations == "", "\(field) = \(number)")
        // The next machine has the same address.
        machine = nil
        machine = LoadedMachine()
      }
      #expect(count > 0 || field == .size)
    }

    private func useSpace(_ what: String) throws {
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK, what)
      var start: UInt64 = 0
      var end: UInt64 = 0
      expect(tessera_space_bounds(space, &start, &end), TESSERA_OK, what)
      #expect(start < end)
      expect(tessera_map_zeroed(space, start, 4096, 1, nil), TESSERA_OK, what)
      expect(tessera_space_activate(space), TESSERA_OK, what)
      #expect(gathering { tessera_dump(space, $0, $1) }.contains("1 range"))
      #expect(gathering { tessera_dump(tessera_kernel_space(), $0, $1) }.contains("1 range"))
      expect(tessera_space_destroy(space), TESSERA_OK, what)
    }
  }
}
