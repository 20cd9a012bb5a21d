internal import CBenchmarks

/// A loop over a number of operations.
typealias Loop = @convention(c) (Int) -> Void

/// A loop of the library and the loop that is its limit.
struct ComparedLoop {
  /// The name of the row; empty if it has none.
  let name: StaticString
  let loop: Loop
  let limit: Loop
}

/// Loops that belong together: one that allocates, perhaps one that uses, and one that frees.
struct LoopGroup {
  let allocation: ComparedLoop
  var use: ComparedLoop?
  let release: ComparedLoop
  /// How many frames each operation is about.
  var framesEach = 1
  /// Whether the frames are written, so that there must be memory for them.
  var touchesMemory = false
}

extension LoopGroup {
  /// Runs the group `rounds` times over `frameCount` frames and writes a line for each of its rows.
  func time(on machine: borrowing Machine, frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach
    var library = (Samples(), Samples(), Samples())
    var limit = (Samples(), Samples(), Samples())
    // A round that does not count brings caches and free lists into the state of all later ones.
    run(on: machine, frameCount: frameCount, rounds: 1)
    for _ in 0..<rounds {
      library.0.measure(allocation.loop, count)
      if let use { library.1.measure(use.loop, count) }
      library.2.measure(release.loop, count)
    }
    machine.expectAllFramesBack()

    // Apart, so that the two tables do not fight for the processor's caches.
    limit_reset(framesEach)
    runLimit(count)
    for _ in 0..<rounds {
      limit.0.measure(allocation.limit, count)
      if let use { limit.1.measure(use.limit, count) }
      limit.2.measure(release.limit, count)
    }

    Report.write(allocation.name, frameCount, library.0.median, limit.0.median, count)
    if let use { Report.write(use.name, frameCount, library.1.median, limit.1.median, count) }
    Report.write(release.name, frameCount, library.2.median, limit.2.median, count)
  }

  /// Runs the loops of the library `rounds` times over `frameCount` frames.
  func run(on machine: borrowing Machine, frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach
    for _ in 0..<rounds {
      allocation.loop(count)
      if let use { use.loop(count) }
      release.loop(count)
    }
    machine.expectAllFramesBack()
  }

  private func runLimit(_ count: Int) {
    allocation.limit(count)
    if let use { use.limit(count) }
    release.limit(count)
  }

  /// Writes how many operations of each row `rounds` rounds over `frameCount` frames are.
  func reportOperations(frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach * rounds
    Report.write(allocation.name, operations: count)
    if let use { Report.write(use.name, operations: count) }
    Report.write(release.name, operations: count)
  }
}
