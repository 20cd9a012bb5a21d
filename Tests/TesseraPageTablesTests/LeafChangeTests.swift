import TesseraHardware
import TesseraPageTables
import TestSupport
import Testing

/// The fast paths that create and change runs of leaves, compared with the slow ones.
@Suite("Leaf templates and changes") struct LeafChangeTests {
  private let modes = [
    PagingMode(physicalAddressWidth: 46),
    PagingMode(physicalAddressWidth: 46, hasNoExecute: false),
  ]

  private func leaf(
    _ parts: PropertyParts, _ size: PageSize, _ mode: PagingMode, ownsFrame: Bool = true
  ) -> PageTableEntry {
    PageTableEntry.leaf(
      at: Samples.addresses(size: size, width: 46)[1], property: parts.property, size: size,
      ownsFrame: ownsFrame, mode: mode)
  }

  /// The properties, without the variants that differ only in the accessed and dirty bits.
  private let goals = PropertyParts.all.filter { !$0.isAccessed && !$0.isDirty }

  @Test(arguments: Samples.sizes)
  func `a template creates the same leaves as the single constructor`(size: PageSize) {
    var tally = Tally()
    for mode in modes {
      let addresses = Samples.addresses(size: size, width: 46)
      for parts in PropertyParts.all {
        for ownsFrame in [false, true] {
          let template = LeafTemplate(
            parts.property, size: size, ownsFrame: ownsFrame, mode: mode)
          for address in addresses {
            let one = PageTableEntry.leaf(
              at: address, property: parts.property, size: size, ownsFrame: ownsFrame, mode: mode)
            tally.claim(template.entry(at: address) == one, "\(parts) at \(address)")
          }
        }
      }
    }
    tally.expectAll(atLeast: 960 * 2 * 3 * 2)
  }

  @Test(arguments: Samples.sizes)
  func `a change of property preserves address, owner and access bits`(size: PageSize) {
    var tally = Tally()
    for mode in modes {
      let leaves = PropertyParts.all.map { leaf($0, size, mode, ownsFrame: $0.software & 1 == 0) }
      for goal in goals {
        let change = LeafChange(to: goal.property, mode: mode)
        for (parts, leaf) in zip(PropertyParts.all, leaves) {
          var wanted = goal
          wanted.isAccessed = parts.isAccessed
          wanted.isDirty = parts.isDirty
          let slow = self.leaf(wanted, size, mode, ownsFrame: leaf.ownsFrame)
          tally.claim(change.applied(to: leaf) == slow, "\(parts) to \(goal)")
          let alike = change.leaves(like: leaf)
          tally.claim(alike.contains(leaf) && alike.changed(leaf) == slow, "\(parts) to \(goal)")
        }
      }
    }
    tally.expectAll(atLeast: 2 * 960 * 240)
  }

  @Test(arguments: Samples.sizes)
  func `a change of access preserves everything else`(size: PageSize) {
    var tally = Tally()
    for mode in modes {
      for access in PropertyParts.accesses {
        let change = LeafChange(to: access, mode: mode)
        for parts in PropertyParts.all {
          let old = leaf(parts, size, mode)
          var wanted = parts
          wanted.access = access
          let slow = leaf(wanted, size, mode)
          tally.claim(change.applied(to: old) == slow, "\(parts) to \(access)")
        }
      }
    }
    tally.expectAll(atLeast: 2 * 960 * 5)
  }

  @Test func `a change of equal leaves is the same for each`() {
    let mode = modes[0]
    let leaves = [true, false].flatMap { ownsFrame in
      PropertyParts.all.map { leaf($0, .fourKiB, mode, ownsFrame: ownsFrame) }
    }
    let others = leaves + [.absent, .status(7), .table(at: PhysicalAddress(0x5000), mode: mode)]
    let elsewhere = Samples.addresses(size: .fourKiB, width: 46)[2].rawValue
    var tally = Tally()
    var alikeCount = 0
    for access in PropertyParts.accesses {
      let change = LeafChange(to: access, mode: mode)
      for leaf in stride(from: 0, to: leaves.count, by: 13).map({ leaves[$0] }) {
        let alike = change.leaves(like: leaf)
        for other in others {
          // The same leaf over other memory is equal apart from the address.
          let moved = other.isLeaf ? PageTableEntry(rawValue: other.rawValue ^ elsewhere) : other
          guard alike.contains(moved) else { continue }
          alikeCount += 1
          let isSame =
            moved.isLeaf && moved.isPresent == leaf.isPresent && moved.ownsFrame == leaf.ownsFrame
            && alike.changed(moved) == change.applied(to: moved)
            && alike.isUnchanged == (change.applied(to: moved) == moved)
          let isWritable = PageTableEntry.writable & leaf.rawValue != 0
          let areDirty = (leaf.rawValue ^ moved.rawValue) & PageTableEntry.dirty == 0
          tally.claim(isSame && (areDirty || !isWritable), "\(leaf) and \(moved) to \(access)")
        }
      }
    }
    tally.expectAll(atLeast: 5 * 148 * 48)
    #expect(alikeCount < 5 * 148 * others.count / 5)
  }

  @Test(arguments: Samples.sizes)
  func `a leaf with its property replaced equals a new leaf with it`(size: PageSize) {
    var tally = Tally()
    for mode in modes {
      for parts in PropertyParts.all {
        for access in PropertyParts.accesses {
          var wanted = parts
          wanted.access = access
          wanted.isDirty.toggle()
          let old = leaf(parts, size, mode)
          let replaced = LeafTemplate(
            wanted.property, size: size, ownsFrame: old.ownsFrame, mode: mode
          ).entry(at: old.leafAddress(size: size))
          tally.claim(replaced == leaf(wanted, size, mode), "\(parts) to \(wanted)")
        }
      }
    }
    tally.expectAll(atLeast: 2 * 960 * 5)
  }

  @Test func `removing and restoring access restores the leaf`() {
    let mode = PagingMode(physicalAddressWidth: 39)
    let away = LeafChange(to: PageAccess.none, mode: mode)
    let back = LeafChange(to: PageAccess.readWrite, mode: mode)
    var parts = PropertyParts.all.first { $0.access == .readWrite && $0.isUser }!
    parts.isDirty = true
    let leaf = PageTableEntry.leaf(
      at: PhysicalAddress(0x7f_c000_0000), property: parts.property, size: .oneGiB,
      ownsFrame: true, mode: mode)
    let without = away.applied(to: leaf)
    #expect(!without.isPresent && without.isLeaf && without.ownsFrame)
    #expect(without.property(size: .oneGiB).isDirty)
    #expect(back.applied(to: without) == leaf)
  }
}
