internal import TesseraFrames
internal import TesseraHeader
internal import TesseraSpaces

enum KernelTables {
  /// Refuses with IN_USE if a page table of the kernel's half lies in `region`.
  static func demandNone(in region: MemoryRegion) throws(Refusal) {
    try demand(
      !KernelSpace.usesTable(in: region.start..<region.end), TESSERA_ERROR_IN_USE)
  }
}
