internal import CBenchmarks

/// A loop over objects, for each heap.
struct HeapRow {
  let name: StaticString
  /// How many objects a round is about, and how many rounds there are.
  let count: Int
  let rounds: Int
  private let loops: [3 of Loop]

  init(
    _ name: StaticString, count: Int = 8_000, rounds: Int = Samples.capacity,
    _ tessera: Loop, _ mimalloc: Loop, _ firstFit: Loop
  ) {
    self.name = name
    self.count = count
    self.rounds = rounds
    loops = [tessera, mimalloc, firstFit]
  }

  subscript(heap: ComparedHeap) -> Loop { loops[heap.rawValue] }
}

extension HeapRow {
  /// Calls `body` with each row but the trace, in the order of the report.
  static func visitAll(_ body: (HeapRow) -> Void) {
    body(
      HeapRow(
        "pair_16", benchmark_heap_pair_16, benchmark_mimalloc_pair_16, benchmark_first_fit_pair_16))
    body(
      HeapRow(
        "pair_64", benchmark_heap_pair_64, benchmark_mimalloc_pair_64, benchmark_first_fit_pair_64))
    body(
      HeapRow(
        "pair_256", benchmark_heap_pair_256, benchmark_mimalloc_pair_256,
        benchmark_first_fit_pair_256))
    body(
      HeapRow(
        "pair_1024", benchmark_heap_pair_1024, benchmark_mimalloc_pair_1024,
        benchmark_first_fit_pair_1024))
    body(
      HeapRow(
        "pair_2048", benchmark_heap_pair_2048, benchmark_mimalloc_pair_2048,
        benchmark_first_fit_pair_2048))
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
