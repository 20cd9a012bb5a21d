internal import TesseraFrames
internal import TesseraHardware

extension Heap {
  /// Takes back the objects of this processor that others have freed, and frees its empty slabs.
  ///
  /// The heap does so itself before a request for frames fails. Interrupts are off meanwhile, while
  /// some hundred objects are taken back and as many slabs freed as there are classes.
  public static func trim() { _ = trimmed() }

  /// Does what `trim` does, and returns whether a frame was freed.
  static func trimmed() -> Bool {
    let interrupts = Processor.disableInterrupts()
    let isTrimmed = ProcessorHeap(of: Processor.current)?.trim() ?? false
    Processor.restoreInterrupts(interrupts)
    return isTrimmed
  }

  /// Whether other processors have freed objects of this one that it has not taken back.
  package static var hasFreedByOthers: Bool {
    let interrupts = Processor.disableInterrupts()
    let result = ProcessorHeap(of: Processor.current)?.hasFreedByOthers ?? false
    Processor.restoreInterrupts(interrupts)
    return result
  }

  /// Frees the heap's own records, and the empty slabs of all processors. Nothing else runs, and no
  /// object is in use; otherwise panics.
  package static func stop() {
    for processor in 0..<FrameAllocator.processorCount {
      guard let heap = ProcessorHeap(of: processor) else { continue }
      heap.stop()
      _ = ProcessorHeap.remove(processor)
    }
    HeapCounters.reset()
  }

  /// Forgets a heap whose memory is no more. Nothing else runs.
  package static func forget() {
    ProcessorHeap.forgetAll()
    HeapCounters.reset()
  }
}
