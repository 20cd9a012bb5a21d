internal import CBenchmarks
internal import TesseraFrames

/// The heap beside mimalloc and a first fit.
enum HeapTimes {
  /// Measures all, and writes a line for each row.
  static func measureAll() {
    heap_start()
    Report.write(mimallocVersion: Int(heap_mimalloc_version()))
    // First, while no heap holds memory of other loops.
    ComparedHeap.visitAll { heap in measureWaste(of: heap) }
    HeapRow.visitAll { row in measure(row) }
    ComparedHeap.visitAll { heap in heap.beginTrace() }
    measure(HeapRow.trace)
    ComparedHeap.visitAll { heap in heap.endTrace() }
    if host_processor_count() > 1 { measureTwoProcessors() }
  }

  private static func measureWaste(of heap: ComparedHeap) {
    let before = heap.bytesTaken
    heap.beginTrace()
    for _ in 0..<HeapRow.trace.rounds { HeapRow.trace[heap](HeapRow.trace.count) }
    Report.write(heap.prefix, asked: heap.bytesAsked, taken: heap.bytesTaken - before)
    heap.endTrace()
  }

  /// One heap after the other, in each round.
  private static func measure(_ row: HeapRow) {
    var times = [3 of Samples](repeating: Samples())
    // A round that does not count, as for frames.
    ComparedHeap.visitAll { heap in row[heap](row.count) }
    for _ in 0..<row.rounds {
      ComparedHeap.visitAll { heap in times[heap.rawValue].measure(row[heap], row.count) }
    }
    ComparedHeap.visitAll { heap in
      Report.write(
        heap, row.name, byteCount: row.byteCount, times[heap.rawValue].median, row.count)
    }
  }

  /// Runs each loop `rounds` times, for a profiler that counts instructions, and writes how many
  /// operations that were.
  static func run(_ isCounted: (ComparedHeap) -> Bool) {
    heap_start()
    ComparedHeap.visitAll { heap in
      guard isCounted(heap) else { return }
      HeapRow.visitAll { row in run(row, on: heap) }
      heap.beginTrace()
      run(HeapRow.trace, on: heap)
      heap.endTrace()
    }
  }

  private static func run(_ row: HeapRow, on heap: ComparedHeap) {
    row[heap](row.count)
    Report.write(operationsOf: row, on: heap)
  }
}

extension HeapTimes {
  /// How many objects each processor allocates in a round: so many that the start of the thread,
  /// for which mimalloc allocates too, counts for little.
  private static var objectCount: Int { 1 << 16 }

  /// A first fit has no lock, and is left out.
  private static func measureTwoProcessors() {
    var apart = PairTimes(operationCount: objectCount)
    apart.add("two_heap", benchmark_two_heap)
    if heap_mimalloc_version() > 0 { apart.add("two_mimalloc", benchmark_two_mimalloc) }
    apart.measure()
    measureHandOver(.tessera, benchmark_heap_hand_over)
    if heap_mimalloc_version() > 0 { measureHandOver(.mimalloc, benchmark_mimalloc_hand_over) }
  }

  /// What one processor allocates, the other one frees.
  private static func measureHandOver(_ heap: ComparedHeap, _ loop: PairLoop) {
    var times = Samples()
    for _ in 0..<PairTimes.mostRounds where times.count < PairTimes.wantedRounds {
      let duration = host_run_together(loop, 0, 2, objectCount)
      if duration > 0 { times.add(duration) }
    }
    guard times.count > 0 else { return }
    Report.write(heap, "hand_over", times.lowerQuartile, objectCount)
  }
}
