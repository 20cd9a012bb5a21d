internal import CBenchmarks
internal import TesseraFrames

/// One of the heaps that are measured in turn.
enum ComparedHeap: Int {
  case tessera, mimalloc, firstFit

  /// What the names of its loops begin with.
  var prefix: StaticString {
    switch self {
    case .tessera: "heap_"
    case .mimalloc: "mimalloc_"
    case .firstFit: "first_fit_"
    }
  }

  /// Calls `body` with each that this computer has.
  static func visitAll(_ body: (ComparedHeap) -> Void) {
    body(.tessera)
    if heap_mimalloc_version() > 0 { body(.mimalloc) }
    body(.firstFit)
  }
}

extension ComparedHeap {
  func beginTrace() {
    switch self {
    case .tessera: heap_begin_trace()
    case .mimalloc: mimalloc_begin_trace()
    case .firstFit: first_fit_begin_trace()
    }
  }

  func endTrace() {
    switch self {
    case .tessera: heap_end_trace()
    case .mimalloc: mimalloc_end_trace()
    case .firstFit: first_fit_end_trace()
    }
  }

  /// The bytes that the program has asked for, of all objects that are live in the trace.
  var bytesAsked: Int {
    switch self {
    case .tessera: heap_trace_bytes()
    case .mimalloc: mimalloc_trace_bytes()
    case .firstFit: first_fit_trace_bytes()
    }
  }

  /// The bytes that the heap has taken.
  var bytesTaken: Int {
    switch self {
    case .tessera:
      FrameAllocator.drainCache()
      return Int(FrameAllocator.statistics.usedFrameCount) * 4096
    case .mimalloc: return heap_mimalloc_committed()
    case .firstFit: return first_fit_extent()
    }
  }
}
