public import TesseraHardware
internal import TesseraPageTables

extension KernelSpace {
  /// Writes what the kernel half maps, and the kernel's low addresses if it has some, for people.
  /// As `VmSpace.dump(to:)`.
  public static func dump(to sink: inout some TextSink & ~Copyable) { contents.write(to: &sink) }

  /// Writes the same as JSON. As `VmSpace.dumpJSON(to:)`.
  public static func dumpJSON(to sink: inout some TextSink & ~Copyable) {
    contents.writeJSON(to: &sink)
  }

  /// Writes how the kernel's tables translate `address`. As `VmSpace.writeWalk(of:to:)`.
  public static func writeWalk(
    of address: VirtualAddress, to sink: inout some TextSink & ~Copyable
  ) {
    TranslationTrace(of: address, from: root).write(root: rootAddress, to: &sink)
  }

  private static var contents: PageTableDump {
    let half = PagingMode.current.lowerHalfEnd.rawValue
    return PageTableDump(
      root: root, start: VirtualAddress(0 &- half), end: VirtualAddress(0),
      lowEnd: AddressSpaceLayout.userStart)
  }
}
