import CTessera

/// An access of a processor to an address.
struct Access {
  var kind: AccessKind
  var privilege: Privilege
  var processor: Int
}

// Accesses, through the oldest translation that the processor may cache or through a walk.

extension TLBModel {
  /// Returns the physical address that an access to `address` reaches, and sets accessed and dirty
  /// bits.
  mutating func use(
    _ address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) throws(PageFault) -> UInt64 {
    do throws(PageFault) {
      let stalePage = try stalePage(of: address, access, &counters)
      let page = if let stalePage { stalePage } else { try walkAndHold(address, access) }
      let physicalAddress = page.physicalAddress(of: address)
      guard memory.contains(physicalAddress) else {
        throw .noMemory(physicalAddress: physicalAddress)
      }
      return physicalAddress
    } catch {
      if case .page = error {
        simulated_registers_of(UInt32(access.processor)).pointee.cr2 = address
      }
      throw error
    }
  }

  /// Returns the oldest translation of `address` that the processor may cache, or nil if the access
  /// needs a walk.
  ///
  /// A translation that is not stale and was never used needs a walk, which sets the accessed bit.
  /// A write through a translation that is not dirty needs one to set the dirty bit.
  private mutating func stalePage(
    of address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) throws(PageFault) -> SimulatedTranslation? {
    guard options.usesStaleTranslations else { return nil }
    let cache = processors[access.processor]
    guard let oldest = cache.translations.covering(address).first else { return nil }
    let isStale = !isGiven(oldest, for: address, on: access.processor)
    guard isStale || oldest.isAccessed else { return nil }
    guard cache.registers.allows(access.kind, as: access.privilege, on: oldest.rights) else {
      try answerFault(of: address, access, &counters)
      return nil
    }
    if access.kind == .write && !oldest.isDirty { return nil }
    if isStale { counters.staleAccesses += 1 }
    return oldest
  }

  /// Returns whether `translation` matches the tables.
  private func isGiven(
    _ translation: SimulatedTranslation, for address: UInt64, on number: Int
  ) -> Bool {
    guard processors[number].hasRoot, case .page(let now, _, _) = walk(number).translate(address)
    else { return false }
    return now.isSame(as: translation)
  }

  /// Faults on a cached translation that denies the access, unless the fault is spurious.
  ///
  /// A page fault flushes the translations of the address ("Operations that Invalidate TLBs and
  /// Paging-Structure Caches"), so the retry succeeds if the tables permit the access. Kernels must
  /// expect that.
  private mutating func answerFault(
    of address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) throws(PageFault) {
    removeTranslations(covering: address, on: access.processor)
    if processors[access.processor].hasRoot,
      case .page(let page, _, _) = walk(access.processor).translate(address)
    {
      hold(page, on: access.processor)
    }
    _ = try permittedTranslation(of: address, access)
    counters.spuriousFaults += 1
    guard options.deliversSpuriousFaults else { return }
    let code = processors[access.processor].registers.faultCode(access.kind, as: access.privilege)
    throw .page(address: address, code.union(.present))
  }

  /// Walks the tables for an access, sets the accessed and dirty bits, and caches the translation.
  private mutating func walkAndHold(
    _ address: UInt64, _ access: Access
  ) throws(PageFault) -> SimulatedTranslation {
    var (page, entryAddress, word) = try permittedTranslation(of: address, access)
    guard options.setsAccessedAndDirty else { return page }
    let memory = memory
    _ = walk(access.processor).translate(address) { entryAddress, word in
      if !RawEntry(word: word).isAccessed {
        _ = memory.set(0x20, at: entryAddress, expecting: word)
      }
    }
    let bits: UInt64 = access.kind == .write ? 0x60 : 0x20
    // If the entry changes meanwhile, the walk starts again, as a processor's does.
    while word & bits != bits && !memory.set(bits, at: entryAddress, expecting: word) {
      (page, entryAddress, word) = try permittedTranslation(of: address, access)
    }
    page.isAccessed = true
    if access.kind == .write { page.isDirty = true }
    hold(page, on: access.processor)
    return page
  }

  /// Returns the translation of `address` in the tables, and its entry.
  ///
  /// - Throws: the fault if the tables do not permit the access.
  func permittedTranslation(
    of address: UInt64, _ access: Access
  ) throws(PageFault) -> (page: SimulatedTranslation, entryAddress: UInt64, word: UInt64) {
    let registers = processors[access.processor].registers
    guard registers.isCanonical(address) else { throw .generalProtection(address: address) }
    let code = registers.faultCode(access.kind, as: access.privilege)
    guard processors[access.processor].hasRoot else { throw .page(address: address, code) }
    switch walk(access.processor).translate(address) {
    case .absent: throw .page(address: address, code)
    case .reserved: throw .page(address: address, code.union([.present, .reservedBit]))
    case .outside(let table): throw .noMemory(physicalAddress: table)
    case .page(let page, let entryAddress, let word):
      guard registers.allows(access.kind, as: access.privilege, on: page.rights) else {
        throw .page(address: address, code.union(.present))
      }
      return (page, entryAddress, word)
    }
  }
}
