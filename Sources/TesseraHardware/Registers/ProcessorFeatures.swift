/// The features of the processor that matter to memory management, as CPUID reports them.
///
/// Intel SDM Vol. 2A, "CPUID". Read once, since the instruction is slow under a hypervisor.
public struct ProcessorFeatures: Sendable {
  /// The number of physical address bits, at most 52.
  public let physicalAddressWidth: Int
  /// The number of virtual address bits that are translated, 48 or 57.
  public let virtualAddressWidth: Int
  /// Five-level page tables (LA57).
  public let hasFiveLevelPaging: Bool
  /// Pages without execution (NX).
  public let hasNoExecute: Bool
  /// Translations that survive a load of CR3 (PGE).
  public let hasGlobalPages: Bool
  /// Memory types per page (PAT).
  public let hasPageAttributeTable: Bool
  /// Leaf entries of 1 GiB.
  public let hasOneGiBPages: Bool
  /// The kernel faults if it executes user pages (SMEP).
  public let hasSupervisorExecutionPrevention: Bool
  /// The kernel faults if it accesses user pages without EFLAGS.AC (SMAP).
  public let hasSupervisorAccessPrevention: Bool
  /// User mode cannot read the addresses of descriptor tables (UMIP).
  public let hasUserModeInstructionPrevention: Bool
  /// Cached translations are tagged with the number of their address space (PCID).
  public let hasProcessContextIdentifiers: Bool
  /// The INVPCID instruction.
  public let hasInvalidateProcessContext: Bool
  /// The instructions that read and write the FS and GS bases (FSGSBASE).
  public let hasSegmentBaseInstructions: Bool
  /// REP MOVSB and STOSB are as fast as wider forms (ERMS).
  public let hasFastStringOperations: Bool

  private let vendor: (UInt32, UInt32, UInt32)
  private let brandParts: InlineArray<3, Processor.Identification>?

  /// Reads the features of the calling processor.
  public init() {
    let base = Processor.identification(leaf: 0)
    let basic = Self.leaf(1, upTo: base.eax)
    let structured = Self.leaf(7, upTo: base.eax)
    let extendedLimit = Processor.identification(leaf: 0x8000_0000).eax
    let extended = Self.leaf(0x8000_0001, upTo: extendedLimit)
    let widths = Self.leaf(0x8000_0008, upTo: extendedLimit).eax

    vendor = (base.ebx, base.edx, base.ecx)
    brandParts =
      extendedLimit >= 0x8000_0004
      ? [Self.brand(0), Self.brand(1), Self.brand(2)] : nil

    // The defaults without the leaf are those of a processor with PAE ("Enumeration of Paging
    // Features by CPUID"). Every processor with long mode has the leaf.
    physicalAddressWidth = widths == 0 ? 36 : min(Int(widths & 0xff), 52)
    virtualAddressWidth = widths == 0 ? 32 : Int(widths >> 8 & 0xff)
    hasFiveLevelPaging = Self.bit(16, of: structured.ecx)
    hasNoExecute = Self.bit(20, of: extended.edx)
    hasGlobalPages = Self.bit(13, of: basic.edx)
    hasPageAttributeTable = Self.bit(16, of: basic.edx)
    hasOneGiBPages = Self.bit(26, of: extended.edx)
    hasSupervisorExecutionPrevention = Self.bit(7, of: structured.ebx)
    hasSupervisorAccessPrevention = Self.bit(20, of: structured.ebx)
    hasUserModeInstructionPrevention = Self.bit(2, of: structured.ecx)
    hasProcessContextIdentifiers = Self.bit(17, of: basic.ecx)
    hasInvalidateProcessContext = Self.bit(10, of: structured.ebx)
    hasSegmentBaseInstructions = Self.bit(0, of: structured.ebx)
    hasFastStringOperations = Self.bit(9, of: structured.ebx)
  }

  /// Returns a leaf, or zeros if it is above `limit`. An Intel processor would return its highest
  /// leaf instead.
  private static func leaf(_ number: UInt32, upTo limit: UInt32) -> Processor.Identification {
    guard number <= limit else {
      return Processor.Identification(eax: 0, ebx: 0, ecx: 0, edx: 0)
    }
    return Processor.identification(leaf: number)
  }

  private static func brand(_ part: UInt32) -> Processor.Identification {
    Processor.identification(leaf: 0x8000_0002 + part)
  }

  private static func bit(_ number: UInt32, of register: UInt32) -> Bool {
    register >> number & 1 != 0
  }
}

extension ProcessorFeatures {
  /// Writes the processor's brand string, or its vendor if it has none.
  public func writeName(to sink: inout some TextSink) {
    guard let brandParts else {
      writeVendor(to: &sink)
      return
    }
    // The string may begin with blanks, and ends with zeros.
    var hasBegun = false
    for part in 0..<3 {
      let registers = brandParts[part]
      Self.write(registers.eax, to: &sink, &hasBegun)
      Self.write(registers.ebx, to: &sink, &hasBegun)
      Self.write(registers.ecx, to: &sink, &hasBegun)
      Self.write(registers.edx, to: &sink, &hasBegun)
    }
    if !hasBegun { writeVendor(to: &sink) }
  }

  /// Writes the vendor's twelve characters, such as "GenuineIntel".
  public func writeVendor(to sink: inout some TextSink) {
    var hasBegun = false
    Self.write(vendor.0, to: &sink, &hasBegun)
    Self.write(vendor.1, to: &sink, &hasBegun)
    Self.write(vendor.2, to: &sink, &hasBegun)
  }

  /// Writes the address widths and the short names of the available features.
  public func writeFeatures(to sink: inout some TextSink) {
    sink.write(decimal: UInt64(physicalAddressWidth))
    sink.write(" physical and ")
    sink.write(decimal: UInt64(virtualAddressWidth))
    sink.write(" virtual address bits;")
    if hasNoExecute { sink.write(" nx") }
    if hasGlobalPages { sink.write(" pge") }
    if hasPageAttributeTable { sink.write(" pat") }
    if hasOneGiBPages { sink.write(" 1gib") }
    if hasFiveLevelPaging { sink.write(" la57") }
    if hasSupervisorExecutionPrevention { sink.write(" smep") }
    if hasSupervisorAccessPrevention { sink.write(" smap") }
    if hasUserModeInstructionPrevention { sink.write(" umip") }
    if hasProcessContextIdentifiers { sink.write(" pcid") }
    if hasInvalidateProcessContext { sink.write(" invpcid") }
    if hasSegmentBaseInstructions { sink.write(" fsgsbase") }
    if hasFastStringOperations { sink.write(" erms") }
  }

  /// Writes the four characters of a register, without leading blanks of the whole text.
  private static func write(
    _ register: UInt32, to sink: inout some TextSink, _ hasBegun: inout Bool
  ) {
    for shift in stride(from: UInt32(0), to: 32, by: 8) {
      let character = UInt8(truncatingIfNeeded: register >> shift)
      guard character >= 32, character < 127, hasBegun || character != 32 else { continue }
      hasBegun = true
      sink.write(byte: character)
    }
  }
}
