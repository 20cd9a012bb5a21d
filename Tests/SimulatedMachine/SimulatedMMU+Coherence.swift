// Compares the caches with the tables, after all required flushes.

extension SimulatedMMU {
  /// Returns the differences between the caches of processors and the tables in memory.
  ///
  /// Checks all processors, or only those that run on `root`. Addresses in `pending`, which were
  /// changed but not flushed yet, are ignored. Cached rights may be fewer than those in the tables,
  /// because adding rights needs no flush. A cleared accessed bit that is still set in a cache is a
  /// difference unless `ignoringAccessed`.
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

  /// Returns the accesses to addresses in `range` that cached translations permit on any processor.
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
