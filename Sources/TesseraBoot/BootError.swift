public import TesseraHardware

/// The reason why Tessera did not start.
public enum BootError: Error, Equatable, Sendable {
  case alreadyStarted
  /// The processor has no no-execute pages.
  case processorWithoutNoExecute
  /// There are no processors, or more than 64.
  case invalidProcessorCount
  /// The base of the direct map is not aligned, not in the upper half, or leaves too little room.
  case invalidDirectMap
  /// The kernel's low addresses extend beyond the lower half.
  case invalidKernelLowEnd
  /// An external allocator was combined with a direct map that Tessera builds.
  case externalAllocatorNotSupported
  /// The memory map has no memory.
  case noMemory
  /// Memory lies beyond the physical addresses of the processor.
  case memoryBeyondProcessor
  /// The running page tables do not map all memory where the configuration says.
  case memoryNotMapped
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
  /// There is too little memory for Tessera's metadata and page tables.
  case outOfFrames
}

extension BootError {
  /// Writes what is wrong as a sentence, without a full stop.
  public func write(to sink: inout some TextSink) { sink.write(description) }

  public var description: StaticString {
    switch self {
    case .alreadyStarted: "Tessera is already running"
    case .processorWithoutNoExecute: "the processor has no no-execute pages (NX)"
    case .invalidProcessorCount: "the number of processors is not between 1 and 64"
    case .invalidDirectMap:
      "the base of the direct map is not aligned or leaves too little room for all memory"
    case .invalidKernelLowEnd: "the kernel's low addresses extend beyond the lower half"
    case .externalAllocatorNotSupported:
      "an external allocator cannot be combined with a direct map that Tessera builds"
    case .noMemory: "the memory map has no memory"
    case .memoryBeyondProcessor: "memory lies beyond the physical addresses of the processor"
    case .memoryNotMapped: "the page tables do not map all memory in the direct map"
    case .imageNotMapped: "the page tables map no kernel image below the last entry of the root"
    case .codeNotKept: "the kernel runs at an address that its page tables will not map"
    case .stackNotKept: "the stack is at an address that the kernel's page tables will not map"
    case .segmentTableNotKept:
      "the GDT is at an address that the kernel's page tables will not map"
    case .interruptTableNotKept:
      "the IDT is at an address that the kernel's page tables will not map"
    case .kernelAreaMapped: "something is mapped in the kernel virtual area"
    case .outOfFrames: "there is too little memory for Tessera's metadata"
    }
  }
}
