/// The features of a processor that determine the format of page tables.
///
/// Intel SDM Vol. 3A, "Enumeration of Paging Features by CPUID" and "Paging-Mode Modifiers".
@frozen
public struct PagingMode: Equatable, Sendable {
  /// The level of the root table: 4, or 5 with 57-bit virtual addresses (LA57).
  public let rootLevel: PagingLevel
  /// The number of physical address bits, 32 to 52. The bits above are reserved in entries.
  public let physicalAddressWidth: Int
  /// Leaf entries can translate 1 GiB.
  public let hasOneGiBPages: Bool
  /// Entries can forbid execution (NX). Otherwise every readable page is executable.
  public let hasNoExecute: Bool
  /// Translations can survive a load of CR3 (PGE).
  public let hasGlobalPages: Bool

  /// Creates a mode, by default that of a processor with all features.
  ///
  /// Panics unless the root is at level 4 or 5 and the width is 32 to 52 bits. Processors have at
  /// least 36 bits, but a hypervisor may report fewer.
  public init(
    rootLevel: PagingLevel = PagingLevel(4), physicalAddressWidth: Int = 52,
    hasOneGiBPages: Bool = true, hasNoExecute: Bool = true, hasGlobalPages: Bool = true
  ) {
    require(rootLevel.number >= 4, "root of page tables is not at level 4 or 5")
    require(
      physicalAddressWidth >= 32 && physicalAddressWidth <= 52,
      "width of physical addresses is not 32 to 52 bits")
    self.rootLevel = rootLevel
    self.physicalAddressWidth = physicalAddressWidth
    self.hasOneGiBPages = hasOneGiBPages
    self.hasNoExecute = hasNoExecute
    self.hasGlobalPages = hasGlobalPages
  }

  /// Creates the mode of a processor with `features` and this value of CR4, whose LA57 bit gives
  /// the number of levels.
  ///
  /// If the processor has NX, EFER.NXE must be set before a table is used.
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
  /// The fields as a tuple, which is initialized statically in every configuration. A structure may
  /// be initialized lazily, which takes a lock.
  private typealias Installed = (
    rootLevel: Int, physicalAddressWidth: Int,
    hasOneGiBPages: Bool, hasNoExecute: Bool, hasGlobalPages: Bool
  )

  /// Access: written by `install(_:)` before a second processor runs, constant afterwards.
  nonisolated(unsafe) private static var installed: Installed = (4, 52, true, true, true)

  /// The mode of the machine that the kernel runs on.
  ///
  /// Before `install(_:)`, four levels, 52 bits and all features.
  @inline(__always)
  public static var current: PagingMode {
    // SAFETY: constant once the kernel runs; see `installed`.
    unsafe PagingMode(installed)
  }

  /// Makes `mode` the current one.
  ///
  /// The caller promises that the processors run in this mode, that no other processor runs Tessera
  /// yet, and that no page table exists in a different format.
  @unsafe public static func install(_ mode: PagingMode) {
    unsafe installed = (
      mode.rootLevel.number, mode.physicalAddressWidth, mode.hasOneGiBPages, mode.hasNoExecute,
      mode.hasGlobalPages
    )
  }
}

extension PagingMode {
  /// The number of virtual address bits that are translated: 48 or 57.
  @inline(__always)
  public var virtualAddressWidth: Int { 12 &+ 9 &* rootLevel.number }

  /// The end of the lower canonical half: 2^47 or 2^56.
  ///
  /// The upper half has the same size and ends at 2^64. Addresses in between are not canonical.
  @inline(__always)
  public var lowerHalfEnd: VirtualAddress {
    VirtualAddress(1 &<< UInt64(truncatingIfNeeded: virtualAddressWidth &- 1))
  }

  /// The end of the physical addresses that the processor supports.
  @inline(__always)
  public var physicalAddressLimit: PhysicalAddress {
    PhysicalAddress(unchecked: 1 &<< UInt64(truncatingIfNeeded: physicalAddressWidth))
  }

  /// Returns whether a leaf can translate a page of `size`.
  @inline(__always)
  public func hasPages(of size: PageSize) -> Bool { size != .oneGiB || hasOneGiBPages }

  /// Returns whether a leaf can translate a page of `size` to `address`: the mode has such pages,
  /// and the address is aligned to the size and below `physicalAddressLimit`.
  @inline(__always)
  public func allowsLeaf(at address: PhysicalAddress, size: PageSize) -> Bool {
    hasPages(of: size) && address.isAligned(to: size) && address < physicalAddressLimit
  }
}
