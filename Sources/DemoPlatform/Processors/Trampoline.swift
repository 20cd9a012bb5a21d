internal import CBoot
internal import TesseraBoot
internal import TesseraHardware

/// The page below 1 MiB at which further processors start, and the page tables that they start on.
///
/// Nothing else is in the page: Tessera reserves all usable memory below 1 MiB for this.
struct Trampoline {
  private let page: PhysicalAddress

  private static var tables: UInt64 { boot_trampoline_tables_address() }
  private static var byteCount: UInt64 {
    boot_trampoline_end_address() - boot_trampoline_address()
  }

  /// Finds a page in the memory map of `regions`; nil if there is none.
  ///
  /// Not the first page, in which firmware keeps its variables, and below the memory of the screen.
  init?<Regions: MemoryRegionSource>(in regions: Regions) {
    let pageSize = PageSize.fourKiB.byteCount
    var found: PhysicalAddress?
    MemoryMap(regions).forEachRegion { region in
      let start = max(region.start, PhysicalAddress(pageSize))
      guard region.kind == .lowMemory, found == nil, start < region.end,
        start < PhysicalAddress(0xa_0000)
      else { return }
      found = start
    }
    guard let found else { return nil }
    page = found
  }

  /// The number of the page, which the startup interrupt tells the processor.
  var pageNumber: UInt64 { page.frameNumber }

  /// Copies the code to the page, and makes tables that map the page at its own address, with the
  /// upper half of the kernel's root, in which the kernel and its stacks are.
  ///
  /// The processor loads the kernel's root as soon as it runs there: the tables are needed because
  /// it starts at a low address, and with a root below 4 GiB.
  func prepare() {
    for index in 0..<Self.byteCount / 8 {
      Self.store(Self.load(boot_trampoline_address() + index * 8), at: start + index * 8)
    }
    let kernelRoot = UInt64(PhysicalMemory.directMapBase) + Processor.rootAddress.rawValue
    for index in 256..<512 as Range<UInt64> {
      Self.store(Self.load(kernelRoot + index * 8), at: Self.tables + index * 8)
    }
    let levels: UInt64 = Processor.controlRegister4.contains(.fiveLevelPaging) ? 4 : 3
    // Present and writable.
    for table in 0..<levels - 1 {
      let next = KernelImage.physicalAddress(of: Self.tables + (table + 1) * 4096)
      Self.store(next | 3, at: Self.tables + table * 4096)
    }
    // The first 2 MiB in one page.
    Self.store(0x83, at: Self.tables + (levels - 1) * 4096)
  }

  /// Hands `stack` and the number of the processor to the next one that starts.
  func offer(stack: UInt64, to processor: Int) {
    let fiveLevels = ControlRegister4.fiveLevelPaging
    let levels = Processor.controlRegister4.contains(fiveLevels) ? fiveLevels.rawValue : 0
    // The stack last: who finds it has the rest.
    store(UInt64(processor), argument: 1)
    store(KernelImage.physicalAddress(of: Self.tables), argument: 2)
    // PAE.
    store(levels | 0x20, argument: 3)
    store(stack, argument: 0)
  }

  /// Whether a processor has taken the stack.
  var isTaken: Bool { Self.load(argumentPlace(0)) == 0 }

  /// Takes the stack back from a processor that does not start.
  func withdraw() { store(0, argument: 0) }

  /// Removes the mapping of the page at its own address.
  func finish() { Self.store(0, at: Self.tables) }

  /// The page in the direct map.
  private var start: UInt64 { UInt64(PhysicalMemory.directMapBase) + page.rawValue }

  private func argumentPlace(_ index: UInt64) -> UInt64 {
    start + (boot_trampoline_arguments_address() - boot_trampoline_address()) + index * 8
  }

  private func store(_ value: UInt64, argument: UInt64) {
    Self.store(value, at: argumentPlace(argument))
  }

  /// Loads a word of the page, of the kernel's root, or of the image.
  private static func load(_ address: UInt64) -> UInt64 {
    // SAFETY: an aligned word that is mapped; another processor may write it.
    unsafe PhysicalMemory.loadWord(from: pointer(address))
  }

  /// Stores a word of the page or of the tables.
  private static func store(_ value: UInt64, at address: UInt64) {
    // SAFETY: an aligned word that is this type's; another processor may read it.
    unsafe PhysicalMemory.storeWord(value, to: pointer(address))
  }

  private static func pointer(_ address: UInt64) -> UnsafeMutableRawPointer {
    // SAFETY: no address of these is zero.
    unsafe UnsafeMutableRawPointer(bitPattern: UInt(address)).unsafelyUnwrapped
  }
}
