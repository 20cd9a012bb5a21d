internal import CTessera

extension Processor {
  /// The address of the root of the page tables, from CR3.
  package static var rootAddress: PhysicalAddress {
    PhysicalAddress(unchecked: hw_read_cr3() & PageTableEntry.addressMask)
  }
}
