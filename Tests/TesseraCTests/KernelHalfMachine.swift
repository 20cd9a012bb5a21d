import CTessera
import CallFuzz
import SimulatedMachine
import TesseraHeader

/// A machine whose kernel runs 2 GiB below the top, in a large page that the loader has made
/// writable and executable, as it has the direct map.
struct KernelHalfMachine {
  let machine = LoadedMachine()
  /// Where the processor's code is, then its GDT, and its stack.
  static let base: UInt64 = 0xffff_ffff_8000_0000
  static let code = base..<base + 0x1000
  static let constants = base + 0x1000..<base + 0x2000
  /// The memory that the kernel's large page maps.
  static let memory: UInt64 = 0x20_0000
  static let directMap = LoadedMachine.directMap
  /// Tables for the kernel's page, and for the page at address zero.
  static let pointers: UInt64 = 0x13_0000
  static let directory: UInt64 = 0x13_1000
  static let lowDirectory: UInt64 = 0x13_2000
  static let tables = LoadedMachine.tables + [pointers, directory, lowDirectory]
  static let regions =
    LoadedMachine.regions + [
      tessera_region(start: pointers, length: 0x3000, kind: UInt32(TESSERA_LOADER), reserved: 0)
    ]

  init() {
    for table in [Self.pointers, Self.directory, Self.lowDirectory, Self.memory + 0x1000] {
      for index in 0..<512 { machine.setEntry(0, at: index, of: table) }
    }
    machine.setEntry(0x3 | Self.pointers, at: 511, of: machine.root)
    machine.setEntry(0x3 | Self.directory, at: 510, of: Self.pointers)
    machine.setEntry(0x83 | Self.memory, at: 0, of: Self.directory)
    machine.setEntry(0x3 | Self.lowDirectory, at: 0, of: LoadedMachine.tables[1])
    machine.setEntry(0x83, at: 0, of: Self.lowDirectory)
    for index in 0..<4 {
      machine.setEntry(0x83 | UInt64(index) << 21, at: index, of: LoadedMachine.tables[2])
    }
  }

  /// Starts with `flags`, and the code and constants of the kernel.
  func start(
    _ flags: Int, _ half: Int = TESSERA_ADOPT, _ change: (inout tessera_config) -> Void = { _ in }
  ) -> Int {
    machine.start(Self.regions) {
      $0.image_start = Self.memory
      $0.image_end = Self.memory + 0x8000
      $0.kernel_half = UInt32(half)
      $0.flags = UInt64(flags)
      $0.text_start = Self.code.lowerBound
      $0.text_end = Self.code.upperBound
      $0.rodata_start = Self.constants.lowerBound
      $0.rodata_end = Self.constants.upperBound
      change(&$0)
    }
  }

  /// All words of the loader's tables.
  var words: [UInt64] {
    Self.tables.flatMap { table in (0..<512).map { machine.entry(at: $0, of: table) } }
  }

  /// The rights to the kernel's page at `address`; nil if it is not mapped.
  func rights(at address: UInt64) -> Int? {
    var target: UInt64 = 0
    var flags: UInt32 = 0
    guard tessera_translate(tessera_kernel_space(), address, &target, &flags) == TESSERA_OK
    else { return nil }
    return Int(flags) & (TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE)
  }
}

/// Rights to pages.
enum Rights {
  static let read = TESSERA_READ
  static let write = TESSERA_READ | TESSERA_WRITE
  static let execute = TESSERA_READ | TESSERA_EXECUTE
  static let all = TESSERA_READ | TESSERA_WRITE | TESSERA_EXECUTE
}
