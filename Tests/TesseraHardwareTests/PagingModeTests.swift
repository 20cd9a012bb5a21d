import TesseraHardware
import TestSupport
import Testing

@Suite("Paging mode") struct PagingModeTests {
  // Tests of the current mode are exit tests, because the mode belongs to the process.

  @Test func `the default mode has four levels and all features`() async {
    await #expect(processExitsWith: .success) {
      let mode = PagingMode.current
      #expect(mode == PagingMode())
      #expect(mode.rootLevel == PagingLevel(4))
      #expect(mode.virtualAddressWidth == 48)
      #expect(mode.physicalAddressWidth == 52)
      #expect(mode.physicalAddressLimit == .limit)
      #expect(mode.hasOneGiBPages && mode.hasNoExecute && mode.hasGlobalPages)
      #expect(VirtualAddress(0x0000_7fff_ffff_ffff).isCanonical)
      #expect(!VirtualAddress(0x0000_8000_0000_0000).isCanonical)
    }
  }

  @Test func `five levels depend on CR4 and not on the feature`() {
    let features = ProcessorFeatures()
    for (register, levels) in [(0, 4), (1 << 12, 5), (~(1 << 12), 4), (~0, 5)] {
      let mode = PagingMode(
        features,
        controlRegister4: ControlRegister4(rawValue: UInt64(bitPattern: Int64(register))))
      #expect(mode.rootLevel.number == levels)
      #expect(mode.virtualAddressWidth == (levels == 4 ? 48 : 57))
      #expect(mode.physicalAddressWidth == features.physicalAddressWidth)
      #expect(mode.hasOneGiBPages == features.hasOneGiBPages)
      #expect(mode.hasNoExecute == features.hasNoExecute)
      #expect(mode.hasGlobalPages == features.hasGlobalPages)
    }
  }

  @Test(arguments: Samples.widths)
  func `a leaf is allowed at aligned addresses below the limit`(width: Int) {
    let mode = PagingMode(physicalAddressWidth: width)
    let end = (1 as UInt64) << UInt64(width)
    #expect(mode.physicalAddressLimit == PhysicalAddress(end))
    for size in Samples.sizes {
      #expect(mode.allowsLeaf(at: PhysicalAddress(0), size: size))
      #expect(mode.allowsLeaf(at: PhysicalAddress(end - size.byteCount), size: size))
      #expect(!mode.allowsLeaf(at: PhysicalAddress(end), size: size))
      for bit in 0..<size.shift {
        #expect(!mode.allowsLeaf(at: PhysicalAddress(1 << bit), size: size))
      }
    }
  }

  @Test func `leaves of 1 GiB are not allowed without the feature`() {
    let mode = PagingMode(hasOneGiBPages: false)
    #expect(!mode.allowsLeaf(at: PhysicalAddress(0), size: .oneGiB))
    #expect(mode.allowsLeaf(at: PhysicalAddress(0), size: .twoMiB))
    #expect(mode.allowsLeaf(at: PhysicalAddress(0), size: .fourKiB))
  }

  @Test func `the installed mode is the current one`() async {
    await #expect(processExitsWith: .success) {
      for levels in [5, 4] {
        for flags in 0..<8 {
          let mode = PagingMode(
            rootLevel: PagingLevel(levels), physicalAddressWidth: 36 + flags,
            hasOneGiBPages: flags & 1 != 0, hasNoExecute: flags & 2 != 0,
            hasGlobalPages: flags & 4 != 0)
          unsafe PagingMode.install(mode)
          #expect(PagingMode.current == mode)
          #expect(VirtualAddress(1 << 50).isCanonical == (levels == 5))
          let leaf = PageTableEntry.leaf(
            at: PhysicalAddress(0x1000), property: .kernelRead, size: .fourKiB, ownsFrame: false)
          #expect(leaf.property(size: .fourKiB).access.allowsExecute == !mode.hasNoExecute)
        }
      }
    }
  }
}
