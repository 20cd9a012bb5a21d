import CallFuzz
import SimulatedMachine
import TesseraHeader
import Testing

extension OnSimulatedMachine {
  /// Memory that is mapped without a reference.
  @Suite("Device memory in C") struct DeviceMemoryTests {
    private static let problem = "device leaf maps memory that is allocated or allocatable"

    let machine: LoadedMachine
    let page: UInt64 = 0x80_0000_0000
    let readWrite = UInt32(TESSERA_READ | TESSERA_WRITE)
    private let space: UnsafeMutablePointer<tessera_space>

    init() throws {
      machine = try LoadedMachine.started()
      var space: UnsafeMutablePointer<tessera_space>?
      expect(tessera_space_new(&space), TESSERA_OK)
      self.space = try #require(space)
    }

    /// Maps `length` bytes of memory at `physical`, in a program's space and in the kernel's area.
    private func map(_ physical: UInt64, _ length: UInt64, _ expected: Int) {
      expect(tessera_map_device(space, page, physical, length, readWrite, nil), expected)
      if expected == TESSERA_OK { expect(tessera_unmap(space, page, length, nil), TESSERA_OK) }
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_map_device(physical, length, readWrite, &address), expected)
      if expected == TESSERA_OK { expect(tessera_kernel_free(address, length), TESSERA_OK) }
    }

    @Test func `a table of the loader's that is in use cannot be mapped`() {
      let tables = LoadedMachine.tables
      for table in tables[1...] { map(table, 4096, TESSERA_ERROR_IN_USE) }
      map(tables[0], 0x4000, TESSERA_ERROR_IN_USE)
      // The loader's root and what follows its tables are not in use.
      map(tables[0], 4096, TESSERA_OK)
      map(tables[0] + 0x3000, 4096, TESSERA_OK)
      map(LoadedMachine.image.lowerBound, 0x1_0000, TESSERA_OK)
      #expect(machine.violations == "")
    }

    @Test func `the audit finds memory that was added while it was mapped`() {
      let image = LoadedMachine.image.lowerBound
      expect(tessera_map_device(space, page, image, 0x2000, readWrite, nil), TESSERA_OK)
      var address: UnsafeMutableRawPointer?
      expect(tessera_kernel_map_device(image, 0x1000, readWrite, &address), TESSERA_OK)
      #expect(machine.violations == "" && problems == "")
      expect(tessera_add_memory(image + 0x1000, 0x1000), TESSERA_OK)
      #expect(machine.violations == "")
      #expect(problems.hasPrefix("1: broken: \(Self.problem)"))
      expect(tessera_add_memory(image, 0x1000), TESSERA_OK)
      #expect(machine.violations.hasPrefix("1: broken: \(Self.problem)"))
      #expect(problems.hasPrefix("2: "))
      expect(tessera_unmap(space, page, 0x2000, nil), TESSERA_OK)
      expect(tessera_kernel_free(address, 0x1000), TESSERA_OK)
      #expect(machine.violations == "" && problems == "")
    }

    /// What the audit of the space reports.
    private var problems: String {
      var count: UInt64 = 0
      let text = gathering { tessera_audit_space(space, $0, $1, &count) }
      return count == 0 ? text : "\(count): \(text)"
    }
  }
}
