// The names are the header's.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

internal import TesseraBoot
public import TesseraHeader

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
    try check(!Boot.isStarted, TESSERA_ERROR_ALREADY_STARTED)
    // SAFETY: `config` is valid during the call, and its regions are read only then.
    let configuration = unsafe try BootConfiguration(tessera_config(at: config))
    do throws(BootError) {
      _ = try Boot.start(configuration)
    } catch { throw APIError(error) }
    SpaceHandle.makeKernel()
  }
}

@c @implementation
public func tessera_start_processor() -> tessera_result {
  result { () throws(APIError) in
    try Start.checkStarted()
    Boot.startProcessor()
  }
}

extension APIError {
  fileprivate init(_ error: BootError) {
    switch error {
    case .alreadyStarted: self.init(TESSERA_ERROR_ALREADY_STARTED)
    case .processorWithoutNoExecute: self.init(TESSERA_ERROR_UNSUPPORTED_PROCESSOR)
    case .invalidProcessorCount, .invalidDirectMap, .invalidKernelLowEnd,
      .externalAllocatorNotSupported:
      self.init(TESSERA_ERROR_INVALID_ARGUMENT)
    case .noMemory, .memoryBeyondProcessor: self.init(TESSERA_ERROR_INVALID_MEMORY_MAP)
    case .memoryNotMapped, .imageNotMapped: self.init(TESSERA_ERROR_NOT_IN_DIRECT_MAP)
    case .codeNotKept: self.init(TESSERA_ERROR_CODE_IN_LOWER_HALF)
    case .stackNotKept: self.init(TESSERA_ERROR_STACK_IN_LOWER_HALF)
    case .segmentTableNotKept: self.init(TESSERA_ERROR_GDT_IN_LOWER_HALF)
    case .interruptTableNotKept: self.init(TESSERA_ERROR_IDT_IN_LOWER_HALF)
    case .kernelAreaMapped: self.init(TESSERA_ERROR_KERNEL_AREA_IN_USE)
    case .outOfFrames: self.init(TESSERA_ERROR_OUT_OF_FRAMES)
    }
  }
}
