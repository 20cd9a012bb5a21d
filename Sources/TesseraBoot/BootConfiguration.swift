public import TesseraFrames
public import TesseraHardware

/// What a kernel passes to `Boot.start`: where memory is, and how the kernel reaches it.
public struct BootConfiguration<Regions: MemoryRegionSource> {
  /// The loader's memory map.
  public let regions: Regions
  /// The frames of the kernel image; empty if the regions contain it.
  public let kernelImage: Range<PhysicalAddress>
  /// How the kernel reaches physical memory.
  public let directMap: BootDirectMap
  /// The number of processors that will call Tessera, at most 512. They are numbered from zero.
  public var processorCount = 1
  /// Whether processors that have process-context identifiers (PCID) use them, so that one that
  /// goes back to a space need not flush its TLB. The low bits of CR3 are then not zero.
  public var usesProcessContexts = true
  /// The kernel's own frame allocator, or nil for the built-in one.
  ///
  /// All usable memory then belongs to it, and Tessera allocates every frame from it. It cannot be
  /// combined with a direct map that Tessera builds.
  public var externalAllocator: ExternalAllocator?
  /// What the start takes away from the kernel's pages.
  public var protection = KernelProtection()

  /// The caller promises that the regions describe the memory of the machine and include whatever
  /// is in use, that nothing else uses usable memory, and that the running page tables map physical
  /// memory where `directMap` says, for as long as it says. Page tables are read through that
  /// mapping in order to check it.
  @unsafe public init(
    regions: Regions, kernelImage: Range<PhysicalAddress> = .zero..<(.zero),
    directMap: BootDirectMap
  ) {
    self.regions = regions
    self.kernelImage = kernelImage
    self.directMap = directMap
  }
}

/// How the kernel reaches physical memory after the start.
public enum BootDirectMap: Sendable {
  /// Through the page tables that it was loaded with, which already map all memory.
  case loader(LoaderDirectMap)
  /// Through page tables that Tessera builds. The loader need not have mapped all memory.
  case build(DirectMapPlan)
}

/// A direct map in the page tables that the kernel was loaded with, which become the kernel half of
/// every address space.
public struct LoaderDirectMap: Sendable {
  /// How the page tables of the kernel half are taken over.
  public enum KernelHalf: Sendable {
    /// The loader's own tables stay in use.
    case adopted
    /// Tessera makes copies, and the loader's tables are unused afterwards.
    case copied
  }

  /// The virtual address of physical byte zero, 4 KiB aligned. It stays mapped as it is.
  public let base: UInt64
  /// The end of the physical memory that is mapped there; usable memory beyond is unreachable.
  public let end: PhysicalAddress
  public var kernelHalf = KernelHalf.adopted
  /// Virtual addresses below this one stay the kernel's in every space, rounded up to whole entries
  /// of the root, for a kernel that runs at low addresses. At least one entry must be left to
  /// programs. Zero leaves the whole lower half to them; whatever is mapped there is left behind.
  public var kernelLowEnd = VirtualAddress(0)

  public init(base: UInt64, end: PhysicalAddress = .limit) {
    self.base = base
    self.end = end
  }
}

/// A direct map that Tessera builds during the start, with page tables of its own.
///
/// The kernel image stays mapped as it is, below the last entry of the root; the loader's other
/// mappings are left behind, unless the plan says otherwise.
public struct DirectMapPlan: Sendable {
  /// The virtual address at which the loader has mapped physical byte zero.
  public let loaderBase: UInt64
  /// The end of the physical memory that is mapped there. Page tables are allocated below it.
  public let loaderEnd: PhysicalAddress
  /// The virtual address of physical byte zero in the new direct map, a multiple of 1 GiB in the
  /// upper half; nil for an eighth of the way into the upper half: 0xffff_9000_0000_0000 with four
  /// levels of page tables, and 0xff20_0000_0000_0000 with five; or beyond, see `keepsUpperHalf`.
  public var base: UInt64?
  /// Memory that is mapped read-only, 4 KiB aligned: the kernel's code and constants.
  public var readOnly = PhysicalAddress.zero..<PhysicalAddress.zero
  /// Frames of the kernel image that become free: page tables of the boot code that only the
  /// loader's mapping uses.
  public var unusedTables = PhysicalAddress.zero..<PhysicalAddress.zero
  /// Whether all of the upper half stays mapped as it is. The direct map is then put at entries of
  /// the root that map nothing: from `base` if there is one, and otherwise the first such entries
  /// from an eighth of the way into the upper half.
  public var keepsUpperHalf = false
  /// Virtual addresses below this one stay the kernel's, as for a `LoaderDirectMap`.
  public var kernelLowEnd = VirtualAddress(0)
  /// How the loader's page tables that stay mapped are taken over.
  public var kernelHalf = LoaderDirectMap.KernelHalf.adopted

  public init(loaderBase: UInt64, loaderEnd: PhysicalAddress) {
    self.loaderBase = loaderBase
    self.loaderEnd = loaderEnd
  }
}
