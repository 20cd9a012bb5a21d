/// A static variable of which each processor has its own value, in cache lines of its own.
///
/// A value has at most 72 bytes and a slot of 128. The storage is aligned to 8, so the 56 bytes or
/// more between two values keep them out of each other's cache lines.
///
/// The values of the first processors lie in the variable itself, and those of all others, if a
/// kernel configures as many, in `PerProcessorMemory`.
package struct PerProcessor<Value: PerProcessorValue & ~Copyable>: ~Copyable, Sendable {
  private let storage = SmallStaticStorage<Value>()

  /// Creates the values, all bytes of which are zero. For static variables only, one of each type.
  ///
  /// The caller promises that zero bytes are a valid `Value`, and that a value may be read by all
  /// processors while its own processor changes it.
  @inline(__always)
  @unsafe package init() {}

  /// The value of `processor`. Those for whom there is no memory share the last one.
  @inline(__always)
  package subscript(processor: Int) -> Value {
    _read {
      require(
        MemoryLayout<Value>.size <= 72
          && PerProcessorMemory.staticCount << 7 <= SmallStaticStorage<Value>.byteCount,
        "per-processor value is larger than 72 bytes")
      // SAFETY: the slot holds a value from the start; see `init`.
      yield unsafe slot(of: processor).assumingMemoryBound(to: Value.self).pointee
    }
  }

  /// Whether `processor` has its value in the variable itself, where the subscript calls nothing.
  @inline(__always)
  package static func isStatic(_ processor: Int) -> Bool {
    processor < PerProcessorMemory.staticCount
  }

  private static var lastOffset: Int { (PerProcessorMemory.staticCount - 1) << 7 }

  @inline(__always)
  @unsafe private func slot(of processor: Int) -> UnsafeMutableRawPointer {
    if processor < PerProcessorMemory.staticCount {
      // SAFETY: within the storage, which is never freed.
      return unsafe UnsafeMutableRawPointer(storage.start) + processor &<< 7
    }
    // SAFETY: as above.
    let last = unsafe UnsafeMutableRawPointer(storage.start) + Self.lastOffset
    return unsafe PerProcessorMemory.slot(of: Value.variable, processor) ?? last
  }
}

/// A type of which there is one static variable with a value for each processor.
package protocol PerProcessorValue: ~Copyable {
  static var variable: PerProcessorVariable { get }
}

/// The variables of which each processor has its own value.
package enum PerProcessorVariable: Int {
  case flushCounters, shootdownRequest, pendingFrom, waitingFor, contexts, destructors, heap

  static var count: Int { heap.rawValue + 1 }
}

/// The memory of the values of processors beyond the first, made at the start for as many as the
/// kernel configures.
package enum PerProcessorMemory {
  /// Processors with a lower number have their values in static memory.
  @inline(__always)
  static var staticCount: Int { 16 }

  /// Access: written by `install` while one processor runs, constant afterwards.
  nonisolated(unsafe) private static var start: UnsafeMutableRawPointer?
  /// Access: as for `start`.
  nonisolated(unsafe) private static var processorCount = 0

  /// The number of bytes that `processorCount` processors need.
  package static func byteCount(processorCount: Int) -> Int {
    max(0, processorCount - staticCount) * slotsByteCount
  }

  private static var slotsByteCount: Int { PerProcessorVariable.count << 7 }

  /// Makes the values of processors beyond the first ones zero, at `memory`.
  ///
  /// The caller provides `byteCount(processorCount:)` bytes, aligned to 64, until `uninstall` or
  /// the next `install`. No other processor runs.
  @unsafe package static func install(_ memory: UnsafeMutableRawPointer, processorCount: Int) {
    let count = byteCount(processorCount: processorCount)
    unsafe Processor.fill(memory, with: 0, count: count / 8)
    unsafe start = memory
    unsafe self.processorCount = processorCount
  }

  /// Undoes `install`. No other processor runs.
  package static func uninstall() {
    // SAFETY: no other processor runs.
    unsafe (start, processorCount) = (nil, 0)
  }

  /// The slot of `processor`, which has none in static memory; nil if it has none at all.
  @inline(never)
  @unsafe static func slot(
    of variable: PerProcessorVariable, _ processor: Int
  ) -> UnsafeMutableRawPointer? {
    guard unsafe processor < processorCount, let start = unsafe start else { return nil }
    return unsafe start + (processor - staticCount) * slotsByteCount + variable.rawValue << 7
  }
}
