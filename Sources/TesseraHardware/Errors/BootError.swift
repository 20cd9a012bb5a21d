/// The reason why Tessera did not start.
public enum BootError: Error, Equatable, Sendable {
  case alreadyStarted
  /// The processor has no no-execute pages.
  case processorWithoutNoExecute
  /// There are no processors, or more than 512.
  case invalidProcessorCount
  /// The base of the direct map is not aligned, not in the upper half, or leaves too little room.
  case invalidDirectMap
  /// The kernel's low addresses leave no entry of the lower half's root entries to programs.
  case invalidKernelLowEnd
  /// An external allocator was combined with a direct map that Tessera builds.
  case externalAllocatorNotSupported
  /// The memory map has no usable memory above 1 MiB.
  case noMemory
  /// Memory lies beyond the physical addresses of the processor.
  case memoryBeyondProcessor
  /// The running page tables do not map all memory where the configuration says.
  case memoryNotMapped
  /// The running page tables map something that stays mapped where the direct map would be built,
  /// or leave no room for it.
  case directMapInUse
  /// The last entry of the running root table, below which the kernel image has to be, is absent.
  case imageNotMapped
  /// The code that runs is at an address that is left behind.
  case codeNotKept
  /// The stack is at an address that is left behind.
  case stackNotKept
  /// The GDT is at an address that is left behind.
  case segmentTableNotKept
  /// The IDT is in use and at an address that is left behind.
  case interruptTableNotKept
  /// Something is mapped in the kernel virtual area.
  case kernelAreaMapped
  /// What the processor uses, or a page table, lies in memory that the map calls usable, where it
  /// would be overwritten.
  case inUsableMemory(PhysicalAddress, ProcessorPart)
  /// A page table that stays in use is not mapped, readable and writable, in the direct map.
  case pageTableNotMapped(PhysicalAddress)
  /// A page table that stays in use is reachable at two levels: a recursive entry, for instance.
  case pageTableAtTwoLevels(PhysicalAddress)
  /// The kernel's code or constants are not 4 KiB aligned, lie outside of the addresses that are
  /// kept, or overlap; or there is no code.
  case invalidText
  /// A page of the code or constants is not mapped, or not executable if it is code, or is not next
  /// to the page before it in physical memory.
  case textNotMapped(VirtualAddress)
  /// The code that runs is not in the code that alone stays executable.
  case codeOutsideText
  /// The code of a further processor runs at an address that is not executable in the kernel half.
  case codeNotExecutable
  /// A gate of the IDT leads out of the code that alone stays executable.
  case handlerOutsideText
  /// What the processor or Tessera writes lies in memory of the code or the constants, which
  /// becomes read-only.
  case inReadOnlyMemory(ProcessorPart)
  /// A page table that maps the code, or page zero, does so at several addresses, whose rights
  /// cannot differ.
  case pageTableShared(PhysicalAddress)
  /// The direct map has physical address zero in the page at virtual address zero.
  case pageZeroNotInDirectMap
  /// What the processor uses lies in the page at virtual address zero.
  case inPageZero(ProcessorPart)
  /// No region of usable memory has room for the slots of all frames, which are contiguous.
  case noRoomForMetadata
  /// The loader has mapped no usable memory for the page tables of the direct map.
  case noRoomForTables
  /// There is too little memory for Tessera's metadata and page tables.
  case outOfFrames
  /// The number of a further processor is not below the processor count.
  case processorNumberOutOfBounds
  /// A processor with the number of a further processor has been started. All have number 0 if the
  /// kernel's `tessera_host_processor_id` was not linked.
  case processorNumberInUse
  /// A further processor has page tables of another number of levels than the first.
  case differentPagingLevels
  /// A further processor has no pages of 1 GiB, though the first has.
  case processorWithoutOneGiBPages
  /// A further processor has fewer physical address bits than the first.
  case narrowerPhysicalAddresses
  /// A further processor has a page attribute table (PAT) and the first has not, or the reverse.
  case differentMemoryTypes
}

extension BootError {
  /// Writes what is wrong as a sentence, without a full stop.
  public func write<Sink: TextSink & ~Copyable>(to sink: inout Sink) {
    sink.write(description)
    guard let address else { return }
    sink.write(": ")
    sink.write(hexadecimal: address, digitCount: 16)
  }

  /// The physical or virtual address that the sentence is about, if it is about one.
  public var address: UInt64? {
    switch self {
    case .inUsableMemory(let address, _), .pageTableNotMapped(let address),
      .pageTableAtTwoLevels(let address), .pageTableShared(let address):
      address.rawValue
    case .textNotMapped(let address): address.rawValue
    default: nil
    }
  }

  public var description: StaticString {
    switch self {
    case .alreadyStarted: "Tessera is already running"
    case .processorWithoutNoExecute: "the processor has no no-execute pages (NX)"
    case .invalidProcessorCount: "the number of processors is not between 1 and 64"
    case .invalidDirectMap:
      "the base of the direct map is not aligned or leaves too little room for all memory"
    case .invalidKernelLowEnd:
      "the kernel's low addresses leave nothing of the lower half to programs"
    case .externalAllocatorNotSupported:
      "an external allocator cannot be combined with a direct map that Tessera builds"
    case .noMemory: "the memory map has no usable memory above 1 MiB"
    case .memoryBeyondProcessor: "memory lies beyond the physical addresses of the processor"
    case .memoryNotMapped: "the page tables do not map all memory in the direct map"
    case .directMapInUse:
      "something is mapped where the direct map would be built, or there is no room for it"
    case .imageNotMapped: "the page tables map no kernel image below the last entry of the root"
    case .codeNotKept: "the kernel runs at an address that its page tables will not map"
    case .stackNotKept: "the stack is at an address that the kernel's page tables will not map"
    case .segmentTableNotKept:
      "the GDT is at an address that the kernel's page tables will not map"
    case .interruptTableNotKept:
      "the IDT is at an address that the kernel's page tables will not map"
    case .kernelAreaMapped: "something is mapped in the kernel virtual area"
    case .inUsableMemory(_, let part): part.usableDescription
    case .pageTableNotMapped:
      "a page table of the kernel is not mapped, writable, in the direct map"
    case .pageTableAtTwoLevels:
      "a page table of the kernel is reachable at two levels, as by a recursive entry"
    case .invalidText:
      "the kernel's code and constants are not whole pages, each apart, of the kernel half"
    case .textNotMapped:
      "a page of the kernel's code or constants is not mapped with that right, or not contiguous"
    case .codeOutsideText: "the running code is outside of the code that stays executable"
    case .codeNotExecutable: "the running code is not executable in the kernel half"
    case .handlerOutsideText:
      "a gate of the IDT leads out of the code that stays executable"
    case .inReadOnlyMemory(let part): part.readOnlyDescription
    case .pageTableShared:
      "a page table of the kernel's code or of page zero is shared with other addresses"
    case .pageZeroNotInDirectMap:
      "the direct map has physical address zero in the page that would be unmapped"
    case .inPageZero(let part): part.pageZeroDescription
    case .noRoomForMetadata:
      "no region of usable memory has room for the frame metadata, 64 contiguous bytes a frame"
    case .noRoomForTables:
      "no usable memory below the end of the loader's mapping has room for page tables"
    case .outOfFrames: "there is too little memory for Tessera's metadata"
    case .processorNumberOutOfBounds: "the processor's number is not below the processor count"
    case .processorNumberInUse: "a processor with this number has been started already"
    case .differentPagingLevels:
      "the processor has page tables of another number of levels than the first"
    case .processorWithoutOneGiBPages: "the processor has no pages of 1 GiB, unlike the first"
    case .narrowerPhysicalAddresses:
      "the processor has fewer physical address bits than the first"
    case .differentMemoryTypes:
      "of this processor and the first, only one has a page attribute table (PAT)"
    }
  }
}
