internal import TesseraHardware

/// The check of what a `KernelProtection` takes away, against what the processor and Tessera use.
struct ProtectionCheck<Source: MemoryRegionSource> {
  private var tables: RunningTables
  private var memory: MemoryInUse<Source>
  private let kept: KeptAddresses
  private let linear: KeptAddresses
  private let usesInterruptTable: Bool

  init(
    _ tables: RunningTables, on map: MemoryMap<Source>, keeping kept: KeptAddresses,
    linear: KeptAddresses, usesInterruptTable: Bool
  ) {
    self.tables = tables
    self.kept = kept
    self.linear = linear
    self.usesInterruptTable = usesInterruptTable
    memory = MemoryInUse(tables, on: map)
  }

  /// The changes that `protection` asks for.
  ///
  /// - Parameters:
  ///   - directMap: Where the direct map will be.
  ///   - lowEnd: The end of the kernel's low addresses; page zero is theirs unless it is zero.
  /// - Throws: `invalidText`, `textNotMapped`, `inUsableMemory`, `codeOutsideText`,
  ///   `handlerOutsideText`, `inReadOnlyMemory`, `pageZeroNotInDirectMap` or `inPageZero`.
  mutating func plan(
    for protection: KernelProtection, directMap: UInt64, lowEnd: VirtualAddress
  ) throws(BootError) -> ProtectionPlan {
    var plan = ProtectionPlan()
    if let text = protection.text {
      try check(text)
      plan.code = text.code.lowerBound.rawValue..<text.code.upperBound.rawValue
      plan.readOnly.code = try memory(of: text.code, isExecutable: true)
      plan.readOnly.constants = try memory(of: text.constants, isExecutable: false)
      try checkProcessor(plan)
    }
    if protection.unmapsPageZero && lowEnd.rawValue > 0 {
      if directMap == 0 { throw .pageZeroNotInDirectMap }
      try checkPageZero(protection.text)
      plan.unmapsPageZero = true
    }
    return plan
  }

  private func check(_ text: KernelText) throws(BootError) {
    guard isKept(text.code), text.constants.isEmpty || isKept(text.constants),
      !text.code.overlaps(text.constants)
    else { throw .invalidText }
  }

  /// Whether `range` is not empty, of whole pages, and mapped by entries that are kept.
  private func isKept(_ range: Range<VirtualAddress>) -> Bool {
    !range.isEmpty && range.lowerBound.isAligned(to: .fourKiB)
      && range.upperBound.isAligned(to: .fourKiB) && kept.contains(range.lowerBound.rawValue)
      && kept.contains(range.upperBound.rawValue - 1)
  }

  /// The physical memory at the addresses of `range`.
  private mutating func memory(
    of range: Range<VirtualAddress>, isExecutable: Bool
  ) throws(BootError) -> Range<UInt64> {
    var position = range.lowerBound.rawValue
    var found: Range<UInt64>?
    while position < range.upperBound.rawValue {
      guard let page = tables.page(at: VirtualAddress(position)),
        page.isExecutable || !isExecutable
      else { throw .textNotMapped(VirtualAddress(position)) }
      let offset = position & (page.byteCount - 1)
      let count = min(page.byteCount - offset, range.upperBound.rawValue - position)
      let start = page.target + offset
      if let found, found.upperBound != start { throw .textNotMapped(VirtualAddress(position)) }
      found = (found?.lowerBound ?? start)..<start + count
      position += count
    }
    guard let found else { return 0..<0 }
    for frame in stride(from: found.lowerBound, to: found.upperBound, by: 4096) {
      guard let address = PhysicalAddress(exactly: frame) else { throw .invalidText }
      try memory.check(.code, at: address)
    }
    return found
  }
}

extension ProtectionCheck {
  private mutating func checkProcessor(_ plan: ProtectionPlan) throws(BootError) {
    guard plan.code.contains(Processor.instructionPointer) else { throw .codeOutsideText }
    var descriptors = DescriptorTables(tables, linear: linear)
    if usesInterruptTable && descriptors.hasGate(leading: false, to: plan.code) {
      throw .handlerOutsideText
    }
    let writesSegments = descriptors.writesSegmentTable
    var written: ProcessorPart?
    ProcessorParts.forEach(usesInterruptTable: false) { part, address, byteCount in
      let isWritten =
        part == .stack || part == .variables || part == .segmentTable && writesSegments
      if isWritten && isReadOnly(address, byteCount, in: plan) { written = written ?? part }
    }
    if let written { throw .inReadOnlyMemory(written) }
  }

  /// Whether one of the bytes lies in memory that becomes read-only.
  private mutating func isReadOnly(
    _ address: UInt64, _ byteCount: UInt64, in plan: ProtectionPlan
  ) -> Bool {
    var offset: UInt64 = 0
    while true {
      if let target = tables.target(of: address &+ offset)?.rawValue,
        plan.readOnly.code.contains(target) || plan.readOnly.constants.contains(target)
      {
        return true
      }
      if offset >= byteCount - 1 { return false }
      offset = min(offset + 4096, byteCount - 1)
    }
  }

  private func checkPageZero(_ text: KernelText?) throws(BootError) {
    if let text {
      let page = VirtualAddress(0)
      if text.code.contains(page) || text.constants.contains(page) { throw .inPageZero(.code) }
    }
    var found: ProcessorPart?
    ProcessorParts.forEach(usesInterruptTable: usesInterruptTable) { part, address, byteCount in
      let last = address &+ (byteCount - 1)
      if address < 4096 || last < address { found = found ?? part }
    }
    if let found { throw .inPageZero(found) }
  }
}
