/// What a processor uses while it runs.
public enum ProcessorPart: Equatable, Sendable {
  case code, stack, variables, segmentTable, interruptTable, taskState, pageTable

  /// The name, in the singular.
  public var name: StaticString {
    switch self {
    case .code: "code"
    case .stack: "stack"
    case .variables: "variables"
    case .segmentTable: "GDT"
    case .interruptTable: "IDT"
    case .taskState: "TSS"
    case .pageTable: "page table"
    }
  }
}

/// Sentences of ``BootError``.
extension ProcessorPart {
  var usableDescription: StaticString {
    switch self {
    case .code: "the running code lies in memory that the memory map calls usable"
    case .stack: "the stack lies in memory that the memory map calls usable"
    case .variables: "the kernel's variables lie in memory that the memory map calls usable"
    case .segmentTable: "the GDT lies in memory that the memory map calls usable"
    case .interruptTable: "the IDT lies in memory that the memory map calls usable"
    case .taskState: "the TSS lies in memory that the memory map calls usable"
    case .pageTable: "a page table lies in memory that the memory map calls usable"
    }
  }

  var readOnlyDescription: StaticString {
    switch self {
    case .stack: "the stack lies in the memory of the kernel's code or constants"
    case .variables: "the kernel's variables lie in the memory of its code or constants"
    case .segmentTable:
      "the GDT is in constants, with a segment that is not marked as accessed"
    case .pageTable: "a page table lies in the memory of the kernel's code or constants"
    default: "what the processor writes lies in the memory of the kernel's code or constants"
    }
  }

  var pageZeroDescription: StaticString {
    switch self {
    case .code: "the kernel's code lies in the page at address zero"
    case .variables: "the kernel's variables lie in the page at address zero"
    case .stack: "the stack lies in the page at address zero"
    case .segmentTable: "the GDT lies in the page at address zero"
    case .interruptTable: "the IDT lies in the page at address zero"
    case .taskState: "the TSS lies in the page at address zero"
    case .pageTable: "a page table lies in the page at address zero"
    }
  }
}
