public import TesseraHardware
public import Testing

// Checks of the caches, after all required flushes.

extension SimulatedMachine {
  /// Expects that the caches match the tables; see `incoherences`.
  public func checkCoherent(
    root: PhysicalAddress? = nil, except pending: [Range<UInt64>] = [],
    ignoringAccessed: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = mmu.incoherences(
      root: root?.rawValue, except: pending, ignoringAccessed: ignoringAccessed)
    #expect(found == [], sourceLocation: sourceLocation)
  }

  /// Expects that no cached translation permits any of `accesses` to an address in `range`.
  public func expectNoCachedRights(
    _ accesses: AccessSet = .all, in range: Range<UInt64>,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = mmu.cachedAccesses(in: range).intersection(accesses)
    #expect(
      found == [], "\(hexadecimal(range.lowerBound)) may still be accessed: \(found)",
      sourceLocation: sourceLocation)
  }
}
