import CTessera

/// An access of a processor to an address.
struct Access {
  var kind: AccessKind
  var privilege: Privilege
  var processor: Int
}

/// A translation that permits an access, with its entry.
struct PermittedTranslation {
  var page: SimulatedTranslation
  var entryAddress: UInt64
  var word: UInt64
}

// Accesses, through the oldest translation that the processor may cache or through a walk.
//
// Faults are returned and not thrown: Testing keeps the call stack of whatever is thrown in a test,
// which takes longer than the access.

extension TLBModel {
  /// Returns the physical address that an access to `address` reaches, and sets accessed and dirty
  /// bits.
  mutating func use(
    _ address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) -> Result<UInt64, PageFault> {
    let page = stalePage(of: address, access, &counters) ?? walkAndHold(address, access)
    switch page {
    case .success(let page):
      let physicalAddress = page.physicalAddress(of: address)
      return memory.contains(physicalAddress)
        ? .success(physicalAddress) : .failure(.noMemory(physicalAddress: physicalAddress))
    case .failure(let fault):
      if case .page = fault {
        simulated_registers_of(UInt32(access.processor)).pointee.cr2 = address
      }
      return .failure(fault)
    }
  }

  /// Returns the oldest translation of `address` that the processor may cache, or the fault if that
  /// denies the access, or nil if the access needs a walk.
  ///
  /// A translation that is not stale and was never used needs a walk, which sets the accessed bit.
  /// A write through a translation that is not dirty needs one to set the dirty bit.
  private mutating func stalePage(
    of address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) -> Result<SimulatedTranslation, PageFault>? {
    guard options.usesStaleTranslations else { return nil }
    let registers = processors[access.processor].registers
    guard let oldest = processors[access.processor].translations.oldest(covering: address) else {
      return nil
    }
    let isStale = !isGiven(oldest, for: address, on: access.processor)
    guard isStale || oldest.isAccessed else { return nil }
    guard registers.allows(access.kind, as: access.privilege, on: oldest.rights) else {
      return answerFault(of: address, access, &counters).map { .failure($0) }
    }
    if access.kind == .write && !oldest.isDirty { return nil }
    if isStale { counters.staleAccesses += 1 }
    return .success(oldest)
  }

  /// Returns whether `translation` matches the tables.
  private func isGiven(
    _ translation: SimulatedTranslation, for address: UInt64, on number: Int
  ) -> Bool {
    guard processors[number].hasRoot, case .page(let now, _, _) = walk(number).translate(address)
    else { return false }
    return now.isSame(as: translation)
  }

  /// Returns the fault on a cached translation that denies the access, unless it is spurious.
  ///
  /// A page fault flushes the translations of the address ("Operations that Invalidate TLBs and
  /// Paging-Structure Caches"), so the retry succeeds if the tables permit the access. Kernels must
  /// expect that.
  private mutating func answerFault(
    of address: UInt64, _ access: Access, _ counters: inout SimulatedMMU.Counters
  ) -> PageFault? {
    removeTranslations(covering: address, on: access.processor)
    if processors[access.processor].hasRoot,
      case .page(let page, _, _) = walk(access.processor).translate(address)
    {
      hold(page, on: access.processor)
    }
    if case .failure(let fault) = permittedTranslation(of: address, access) { return fault }
    counters.spuriousFaults += 1
    guard options.deliversSpuriousFaults else { return nil }
    let code = processors[access.processor].registers.faultCode(access.kind, as: access.privilege)
    return .page(address: address, code.union(.present))
  }

  /// Walks the tables for an access, sets the accessed and dirty bits, and caches the translation.
  private mutating func walkAndHold(
    _ address: UInt64, _ access: Access
  ) -> Result<SimulatedTranslation, PageFault> {
    var found: PermittedTranslation
    switch permittedTranslation(of: address, access) {
    case .success(let permitted): found = permitted
    case .failure(let fault): return .failure(fault)
    }
    guard options.setsAccessedAndDirty else { return .success(found.page) }
    let memory = memory
    _ = walk(access.processor).translate(address) { entryAddress, word in
      if !RawEntry(word: word).isAccessed {
        _ = memory.set(0x20, at: entryAddress, expecting: word)
      }
    }
    let bits: UInt64 = access.kind == .write ? 0x60 : 0x20
    // If the entry changes meanwhile, the walk starts again, as a processor's does.
    while found.word & bits != bits
      && !memory.set(bits, at: found.entryAddress, expecting: found.word)
    {
      switch permittedTranslation(of: address, access) {
      case .success(let permitted): found = permitted
      case .failure(let fault): return .failure(fault)
      }
    }
    found.page.isAccessed = true
    if access.kind == .write { found.page.isDirty = true }
    hold(found.page, on: access.processor)
    return .success(found.page)
  }

  /// Returns the translation of `address` in the tables, and its entry, or the fault if the tables
  /// do not permit the access.
  func permittedTranslation(
    of address: UInt64, _ access: Access
  ) -> Result<PermittedTranslation, PageFault> {
    let registers = processors[access.processor].registers
    guard registers.isCanonical(address) else {
      return .failure(.generalProtection(address: address))
    }
    let code = registers.faultCode(access.kind, as: access.privilege)
    guard registers.hasRoot else { return .failure(.page(address: address, code)) }
    switch walk(access.processor).translate(address) {
    case .absent: return .failure(.page(address: address, code))
    case .reserved:
      return .failure(.page(address: address, code.union([.present, .reservedBit])))
    case .outside(let table): return .failure(.noMemory(physicalAddress: table))
    case .page(let page, let entryAddress, let word):
      guard registers.allows(access.kind, as: access.privilege, on: page.rights) else {
        return .failure(.page(address: address, code.union(.present)))
      }
      return .success(PermittedTranslation(page: page, entryAddress: entryAddress, word: word))
    }
  }
}
