// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
internal import TesseraHardware
public import TesseraHeader
internal import TesseraPageTables
internal import TesseraSpaces

enum Start {
  /// Fails with NOT_STARTED before the start.
  @inline(__always)
  static func checkStarted() throws(APIError) {
    try check(Boot.isStarted, TESSERA_ERROR_NOT_STARTED)
  }
}

@c @implementation @unsafe
public func tessera_start(_ config: UnsafePointer<tessera_config>?) -> tessera_result {
  result { () throws(APIError) in
    try check(
      !Boot.isStarted, TESSERA_ERROR_ALREADY_STARTED, BootError.alreadyStarted.description)
    // SAFETY: `config` is valid during the call, and its regions are read only then.
    let configuration = unsafe try BootConfiguration(tessera_config(at: config))
    do throws(TesseraError) {
      try Boot.start(configuration)
    } catch {
      if case .boot(let reason) = error { StartError.note(reason, of: configuration.directMap) }
      throw APIError(error)
    }
    SpaceHandle.makeKernel()
  }
}

@c @implementation
public func tessera_start_processor() -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    do throws(TesseraError) {
      try Boot.startProcessor()
    } catch { throw APIError(error) }
  }
}

@c @implementation
public func tessera_stop_processor() -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    try check(ActiveSpace.isStartedHere, TESSERA_ERROR_NOT_STARTED)
    Boot.stopProcessor()
  }
}

@c @implementation
public func tessera_serve() { TLBShootdown.serve() }

extension APIError {
  init(_ error: BootError) {
    switch error {
    case .alreadyStarted: self.init(TESSERA_ERROR_ALREADY_STARTED)
    case .processorWithoutNoExecute: self.init(TESSERA_ERROR_UNSUPPORTED_PROCESSOR)
    case .invalidProcessorCount, .invalidDirectMap, .invalidKernelLowEnd,
      .externalAllocatorNotSupported, .invalidText:
      self.init(TESSERA_ERROR_INVALID_ARGUMENT)
    case .noMemory, .memoryBeyondProcessor: self.init(TESSERA_ERROR_INVALID_MEMORY_MAP)
    case .directMapInUse: self.init(TESSERA_ERROR_DIRECT_MAP_IN_USE)
    case .memoryNotMapped, .imageNotMapped, .pageTableNotMapped:
      self.init(TESSERA_ERROR_NOT_IN_DIRECT_MAP)
    case .inUsableMemory(_, let part): self.init(part)
    case .pageTableAtTwoLevels: self.init(TESSERA_ERROR_PAGE_TABLE_AT_TWO_LEVELS)
    case .codeNotKept: self.init(TESSERA_ERROR_CODE_IN_LOWER_HALF)
    case .stackNotKept: self.init(TESSERA_ERROR_STACK_IN_LOWER_HALF)
    case .segmentTableNotKept: self.init(TESSERA_ERROR_GDT_IN_LOWER_HALF)
    case .interruptTableNotKept: self.init(TESSERA_ERROR_IDT_IN_LOWER_HALF)
    case .kernelAreaMapped: self.init(TESSERA_ERROR_KERNEL_AREA_IN_USE)
    case .processorNumberOutOfBounds: self.init(TESSERA_ERROR_PROCESSOR_NUMBER_OUT_OF_BOUNDS)
    case .processorNumberInUse: self.init(TESSERA_ERROR_PROCESSOR_NUMBER_IN_USE)
    case .differentPagingLevels: self.init(TESSERA_ERROR_DIFFERENT_PAGING_LEVELS)
    case .processorWithoutOneGiBPages: self.init(TESSERA_ERROR_DIFFERENT_PAGE_SIZES)
    case .narrowerPhysicalAddresses: self.init(TESSERA_ERROR_DIFFERENT_ADDRESS_WIDTH)
    case .differentMemoryTypes: self.init(TESSERA_ERROR_DIFFERENT_MEMORY_TYPES)
    case .noRoomForMetadata: self.init(TESSERA_ERROR_NO_ROOM_FOR_METADATA)
    case .textNotMapped: self.init(TESSERA_ERROR_NOT_MAPPED)
    case .codeOutsideText, .handlerOutsideText, .codeNotExecutable:
      self.init(TESSERA_ERROR_CODE_NOT_EXECUTABLE)
    case .inReadOnlyMemory: self.init(TESSERA_ERROR_RIGHTS_IN_USE)
    case .pageTableShared: self.init(TESSERA_ERROR_PAGE_TABLE_SHARED)
    case .pageZeroNotInDirectMap, .inPageZero: self.init(TESSERA_ERROR_PAGE_ZERO_IN_USE)
    case .outOfFrames, .noRoomForTables: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }
  private init(_ part: ProcessorPart) {
    switch part {
    case .code, .variables: self.init(TESSERA_ERROR_IMAGE_IN_USABLE_MEMORY)
    case .stack: self.init(TESSERA_ERROR_STACK_IN_USABLE_MEMORY)
    case .segmentTable: self.init(TESSERA_ERROR_GDT_IN_USABLE_MEMORY)
    case .interruptTable: self.init(TESSERA_ERROR_IDT_IN_USABLE_MEMORY)
    case .taskState: self.init(TESSERA_ERROR_TSS_IN_USABLE_MEMORY)
    case .pageTable: self.init(TESSERA_ERROR_PAGE_TABLE_IN_USABLE_MEMORY)
    }
  }
}
