/// What the form of page tables depends on, and processors differ in.
///
/// Intel SDM Vol. 3A, "Enumeration of Paging Features by CPUID" and "Paging-Mode Modifiers".
@frozen
public struct PagingMode: Equatable, Sendable {
  /// The level of the root table: 4, or 5 if addresses of 57 bits are translated (LA57).
  public let rootLevel: PagingLevel
  /// How many bits a physical address has, 32 to 52. The bits above are reserved in entries.
  public let physicalAddressWidth: Int
  /// Leaf entries may translate 1 GiB.
  public let hasOneGiBPages: Bool
  /// Pages may be made to hold data only. Otherwise everything that can be read can be executed.
  public let hasNoExecute: Bool
  /// Translations may survive a change of root.
  public let hasGlobalPages: Bool

  /// A processor that has everything but what an argument takes away.
  ///
  /// Traps unless the root is at level 4 or 5 and the width is 32 to 52 bits. Processors have at
  /// least 36, but a hypervisor may say less.
  public init(
    rootLevel: PagingLevel = PagingLevel(4), physicalAddressWidth: Int = 52,
    hasOneGiBPages: Bool = true, hasNoExecute: Bool = true, hasGlobalPages: Bool = true
  ) {
    require(rootLevel.number >= 4, "the root of page tables is at level 4 or 5")
    require(
      physicalAddressWidth >= 32 && physicalAddressWidth <= 52,
      "physical addresses have 32 to 52 bits")
    self.rootLevel = rootLevel
    self.physicalAddressWidth = physicalAddressWidth
    self.hasOneGiBPages = hasOneGiBPages
    self.hasNoExecute = hasNoExecute
    self.hasGlobalPages = hasGlobalPages
  }

  /// The mode of a processor with `features` and this value in CR4, whose LA57 bit says how many
  /// levels there are. If there is NX, EFER.NXE is set before a table is used.
  public init(_ features: ProcessorFeatures, controlRegister4: ControlRegister4) {
    self.init(
      rootLevel: PagingLevel(controlRegister4.contains(.fiveLevelPaging) ? 5 : 4),
      physicalAddressWidth: features.physicalAddressWidth,
      hasOneGiBPages: features.hasOneGiBPages, hasNoExecute: features.hasNoExecute,
      hasGlobalPages: features.hasGlobalPages)
  }

  @inline(__always)
  private init(_ installed: Installed) {
    rootLevel = PagingLevel(unchecked: installed.rootLevel)
    physicalAddressWidth = installed.physicalAddressWidth
    hasOneGiBPages = installed.hasOneGiBPages
    hasNoExecute = installed.hasNoExecute
    hasGlobalPages = installed.hasGlobalPages
  }
}

extension PagingMode {
  /// The fields as a tuple, which is static data in every configuration: a structure may be made
  /// when it is first used, and needs a lock for that.
  private typealias Installed = (
    rootLevel: Int, physicalAddressWidth: Int,
    hasOneGiBPages: Bool, hasNoExecute: Bool, hasGlobalPages: Bool
  )

  /// Access: written by `install(_:)` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var installed: Installed = (4, 52, true, true, true)

  /// The mode of the machine that the kernel runs on.
  ///
  /// Until `install(_:)` tells: four levels, 52 bits, and all features.
  @inline(__always)
  public static var current: PagingMode {
    // SAFETY: constant once the kernel runs; see `installed`.
    unsafe PagingMode(installed)
  }

  /// Makes `mode` the current one.
  ///
  /// The caller promises that the processors run in this mode, that no other processor runs Tessera
  /// yet, and that no page table was made in another mode that differs in its form.
  @unsafe public static func install(_ mode: PagingMode) {
    unsafe installed = (
      mode.rootLevel.number, mode.physicalAddressWidth, mode.hasOneGiBPages, mode.hasNoExecute,
      mode.hasGlobalPages
    )
  }
}

extension PagingMode {
  /// How many bits of a virtual address are translated: 48 or 57.
  @inline(__always)
  public var virtualAddressWidth: Int { 12 &+ 9 &* rootLevel.number }

  /// The first address after the lower half of all virtual addresses: 2^47 or 2^56. The upper half,
  /// as long, ends with the last address there is; between the two nothing is canonical.
  @inline(__always)
  public var lowerHalfEnd: VirtualAddress {
    VirtualAddress(1 &<< UInt64(truncatingIfNeeded: virtualAddressWidth &- 1))
  }

  /// The first physical address that the processor does not have.
  @inline(__always)
  public var physicalAddressLimit: PhysicalAddress {
    PhysicalAddress(unchecked: 1 &<< UInt64(truncatingIfNeeded: physicalAddressWidth))
  }

  /// Whether a leaf may translate a page of `size`.
  @inline(__always)
  public func hasPages(of size: PageSize) -> Bool { size != .oneGiB || hasOneGiBPages }

  /// Whether a leaf may translate a page of `size` to the memory at `address`: there are such
  /// pages, the address is aligned to the size, and the processor has all bytes of it.
  @inline(__always)
  public func allowsLeaf(at address: PhysicalAddress, size: PageSize) -> Bool {
    hasPages(of: size) && address.isAligned(to: size) && address < physicalAddressLimit
  }
}
