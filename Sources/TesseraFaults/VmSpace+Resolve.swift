public import TesseraHardware
internal import TesseraPageTables
public import TesseraSpaces

extension VmSpace {
  /// Answers a page fault: makes the page allow the access if that is what its status or a fork
  /// says. The kernel calls it in its handler of page faults, and does as `FaultResolution` says.
  ///
  /// Denies an address outside of the space, an access that the rights of the page forbid, and one
  /// that SMAP or SMEP forbid to the kernel. Once a page was copied, no processor can use its old
  /// frame; where it only got a right, another processor may fault once, which is resolved by
  /// `nothing`.
  ///
  /// Waits for cursors over the page, and may wait for other processors: so the interrupted code
  /// has no cursor of this space open, and no lock that another processor acquires with interrupts
  /// off. Preemption is off while tables are read or changed, and as before while a frame is
  /// filled. The space need not be active.
  public borrowing func resolve(
    _ fault: PageFault, _ options: SupplyOptions = SupplyOptions()
  ) -> FaultResolution {
    if fault.hasReservedBit || fault.isForbiddenToKernel { return .denied }
    let resolution = root.resolve(fault.access, at: fault.address, options)
    if resolution == .resolved(.nothing) {
      // The translation that this processor used is old.
      Processor.invalidatePage(at: fault.address.rawValue)
    }
    return resolution
  }

  /// Makes the page of `address` allow `access` of the program, as `resolve(_:_:)` does after a
  /// fault.
  public borrowing func resolve(
    _ access: MemoryAccess, at address: VirtualAddress, _ options: SupplyOptions = SupplyOptions()
  ) -> FaultResolution {
    root.resolve(access, at: address, options)
  }
}
