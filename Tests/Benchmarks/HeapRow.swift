internal import CBenchmarks
internal import TesseraHardware
internal import TesseraHeap

/// A loop over objects, for each heap.
struct HeapRow {
  let name: StaticString
  /// What the name ends with: the size of the objects, or zero for nothing.
  let byteCount: Int
  /// How many objects a round is about, and how many rounds there are.
  let count: Int
  let rounds: Int
  private let loops: [3 of Loop]

  init(
    _ name: StaticString, byteCount: Int = 0, count: Int = 8_000, rounds: Int = Samples.capacity,
    _ tessera: Loop, _ mimalloc: Loop, _ firstFit: Loop
  ) {
    self.name = name
    self.byteCount = byteCount
    self.count = count
    self.rounds = rounds
    loops = [tessera, mimalloc, firstFit]
  }

  subscript(heap: ComparedHeap) -> Loop { loops[heap.rawValue] }
}

extension HeapRow {
  /// Calls `body` with each row but the trace, in the order of the report.
  static func visitAll(_ body: (HeapRow) -> Void) {
    if heap_pair_count() != Heap.sizeClassCount { panic("a class of objects has no benchmark") }
    for index in 0..<heap_pair_count() {
      let pair = heap_pair(index)
      if Heap.statistics(ofSizeClass: index).byteCount != pair.size {
        panic("a class of objects has another size than its benchmark")
      }
      body(
        HeapRow("pair_", byteCount: pair.size, pair.tessera, pair.mimalloc, pair.first_fit))
    }
    body(
      HeapRow(
        "batch_64", benchmark_heap_batch_64, benchmark_mimalloc_batch_64,
        benchmark_first_fit_batch_64))
  }

  /// Objects of many sizes, of which a random one is freed before another is allocated. The first
  /// fit needs a hundred times as long.
  static var trace: HeapRow {
    HeapRow(
      "trace", count: 20_000, rounds: 21, benchmark_heap_trace, benchmark_mimalloc_trace,
      benchmark_first_fit_trace)
  }
}
