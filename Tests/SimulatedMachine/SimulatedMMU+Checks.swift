public import TesseraHardware
public import Testing

// What tests ask once they believe that every flush was made.

extension SimulatedMMU {
  /// Where what processors may hold differs from what the tables in memory give, in sentences.
  ///
  /// All processors are asked, or those that run on `root`. A difference in the virtual addresses
  /// `pending` is passed over, for what was changed and is not flushed yet. A processor may hold
  /// fewer rights than the tables give, as nothing is owed for more. A cleared accessed bit that a
  /// processor does not know of is a difference unless `ignoringAccessed`.
  public func incoherences(
    root: UInt64? = nil, except pending: [Range<UInt64>] = [], ignoringAccessed: Bool = false
  ) -> [String] {
    locked { cache, _ in
      cache.processors.indices.flatMap { number -> [String] in
        if let root, cache.processors[number].registers.root != root { return [] }
        return cache.incoherences(on: number, except: pending, ignoringAccessed: ignoringAccessed)
      }
    }
  }

  /// What processors may still do with an address of `range`, by what they may hold. Empty if they
  /// hold nothing for it.
  public func cachedAccesses(in range: Range<UInt64>) -> AccessSet {
    locked { cache, _ in
      var found: AccessSet = []
      for processor in cache.processors {
        processor.translations.visit { translation in
          let last = translation.virtualAddress &+ (translation.byteCount - 1)
          if translation.virtualAddress < range.upperBound && last >= range.lowerBound {
            found.formUnion(processor.accesses(translation.rights))
          }
        }
      }
      return found
    }
  }
}

extension SimulatedMachine {
  /// Expects that what processors may hold is what the tables give; see `incoherences`.
  public func checkCoherent(
    root: PhysicalAddress? = nil, except pending: [Range<UInt64>] = [],
    ignoringAccessed: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = mmu.incoherences(
      root: root?.rawValue, except: pending, ignoringAccessed: ignoringAccessed)
    #expect(found == [], sourceLocation: sourceLocation)
  }

  /// Expects that no processor may still use an address of `range` in one of these ways.
  public func expectNoCachedRights(
    _ accesses: AccessSet = .all, in range: Range<UInt64>,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let found = mmu.cachedAccesses(in: range).intersection(accesses)
    #expect(
      found == [], "\(hexadecimal(range.lowerBound)) may still be used: \(found)",
      sourceLocation: sourceLocation)
  }
}
