package import TesseraHardware

// What Tessera stores in the entries of its page tables.
//
// The processor ignores bits 9 to 11 and 52 to 58 of every entry, and all bits but the lowest of an
// entry that is not present. Tessera uses them for five kinds of entries:
//
// | kind   | present | leaf bit | status bit | bits 12-51 |
// |--------|---------|----------|------------|------------|
// | absent | 0       | 0        | 0          | zero, like all other bits |
// | table  | 1       | 0        | 0          | address of the child |
// | leaf   | 0 or 1  | 1        | 0          | address of the memory, inverted if not present |
// | status | 0       | 0        | 1          | inverted payload; see PageTableEntry+Status |
// | leaf that changes its size | 0 | 1    | 1          | inverted address of the memory |
//
// A leaf also has the software bits of its property, 52 and 53, and three for forks, 54 to 56.
//
// A leaf without access is not present but keeps its property, its address and its reference to a
// frame. A processor may speculatively use the address in an entry that is not present (L1 Terminal
// Fault), so such an entry must not contain the address of memory: addresses and payloads are
// stored inverted there, which sets their highest bits. This holds for processors with up to 51
// physical address bits, and with 52 bits for addresses below 2^51.

extension PageTableEntry {
  /// The entry is a leaf, present or not.
  package static var leafBit: UInt64 { 1 << 9 }
  /// The leaf owns a reference to its frame. Leaves of device memory and of the direct map have
  /// none.
  package static var ownsFrameBit: UInt64 { 1 << 10 }

  /// The leaf's frame has been shared by a fork, or is the frame of zeros, and the leaf is not
  /// writable until it has a frame with no other owner. `copyOnWrite` is set as well if it would be
  /// writable otherwise, or has no access.
  package static var sharedByForkBit: UInt64 { 1 << 55 }
  /// What a fork may set in a leaf.
  package static var forkMask: UInt64 { sharedByForkBit | copyOnWrite }

  /// A Boolean value indicating whether the entry maps a page, even one without access.
  @inline(__always)
  package var isLeaf: Bool { rawValue & Self.leafBit != 0 }

  /// A Boolean value indicating whether the leaf owns a reference to its frame.
  @inline(__always)
  package var ownsFrame: Bool { rawValue & Self.ownsFrameBit != 0 }

  /// A Boolean value indicating whether a fork has shared the leaf's frame.
  @inline(__always)
  package var isSharedByFork: Bool { rawValue & Self.sharedByForkBit != 0 }

  /// A Boolean value indicating whether there may be more to do for the entry when it is removed
  /// than to drop the reference of a frame: it is a leaf that others share, or a status that may
  /// own a slot of the swap store.
  @inline(__always)
  package var mayBePagers: Bool { rawValue & (Self.shared | Self.statusBit) != 0 }

  /// A Boolean value indicating whether the entry is the usual leaf: present, with a reference of a
  /// frame, and not shared with others. One comparison.
  @inline(__always)
  package var isUsualLeaf: Bool {
    let usual = Self.present | Self.leafBit | Self.ownsFrameBit
    return rawValue & (usual | Self.shared | Self.statusBit) == usual
  }

  /// Returns whether the entry, in a table at `level`, maps a page.
  ///
  /// Holds for every entry, including those that a loader wrote.
  package func mapsPage(at level: PagingLevel) -> Bool {
    isLeaf || isPresent && !leadsToTable(at: level)
  }
}

// A leaf that changes its size: a large one that is being split, or is about to take the place of a
// table. Processors find it not present, software finds what it maps all the time.
extension PageTableEntry {
  /// The present leaf as one that changes its size.
  var resizing: PageTableEntry {
    PageTableEntry(rawValue: (rawValue & ~Self.present | Self.statusBit) ^ Self.addressMask)
  }

  /// A Boolean value indicating whether the entry is a leaf that changes its size.
  @inline(__always)
  var isResizing: Bool {
    rawValue & (Self.present | Self.leafBit | Self.statusBit) == Self.leafBit | Self.statusBit
  }

  /// The present leaf that this is in the middle of a change of its size, or else the entry itself.
  @inline(__always)
  var settled: PageTableEntry {
    guard isResizing else { return self }
    return PageTableEntry(rawValue: (rawValue & ~Self.statusBit | Self.present) ^ Self.addressMask)
  }
}

extension PageTableEntry {
  /// Creates an entry that leads to the table at `address` and leaves access to the entries there.
  ///
  /// `isUser` is required for user pages below. Panics if `address` is not aligned to 4 KiB, or is
  /// beyond the processor's physical addresses.
  @inline(__always)
  package static func table(
    at address: PhysicalAddress, isUser: Bool = false, mode: PagingMode = .current
  ) -> PageTableEntry {
    require(address.isAligned(to: .fourKiB), "page table is not 4 KiB aligned", address)
    require(
      address < mode.physicalAddressLimit, "page table is beyond the physical address width",
      address)
    return PageTableEntry(rawValue: address.rawValue | present | writable | (isUser ? user : 0))
  }

  /// A Boolean value indicating whether the entry leads to a table.
  ///
  /// Valid for entries that Tessera wrote, at every level. For those of a loader, use
  /// `leadsToTable(at:)`.
  @inline(__always)
  package var isTable: Bool { rawValue & (Self.present | Self.leafBit) == Self.present }

  /// A Boolean value indicating whether the entry leads to a table: one signed comparison of the
  /// lowest byte.
  ///
  /// Valid for entries that Tessera wrote, above the leaf tables. The byte of a table is positive:
  /// present is set and bit 7 is not. In leaves of large pages bit 7 is set, present or not; in
  /// absent entries and statuses the byte is zero.
  @inline(__always)
  package var isOwnTable: Bool { Int8(truncatingIfNeeded: rawValue) > 0 }

  /// The address of the table that the entry leads to, as `tableAddress`.
  ///
  /// Valid for tables that Tessera entered: their bits above the address are zero.
  @inline(__always)
  package var ownTableAddress: PhysicalAddress { PhysicalAddress(unchecked: rawValue & ~0xfff) }

  /// Whether the entry maps nothing: absent, or a status.
  @inline(__always)
  package var isVacant: Bool { !isLeaf && !isTable }
}
