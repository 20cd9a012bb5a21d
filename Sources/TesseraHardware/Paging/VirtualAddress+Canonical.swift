extension VirtualAddress {
  /// A Boolean value indicating whether the address is canonical in the current paging mode.
  ///
  /// An access to any other address is a general-protection fault.
  @inline(__always)
  public var isCanonical: Bool { isCanonical(in: .current) }

  /// Returns whether all bits that `mode` does not translate equal the highest bit that it does.
  ///
  /// Intel SDM Vol. 1, "Canonical Addressing".
  @inline(__always)
  package func isCanonical(in mode: PagingMode) -> Bool {
    let ignored = 64 &- mode.virtualAddressWidth
    let signed = Int64(bitPattern: rawValue)
    return (signed &<< Int64(ignored)) &>> Int64(ignored) == signed
  }
}
