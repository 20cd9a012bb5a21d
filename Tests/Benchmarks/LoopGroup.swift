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

/// Loops that belong together, because each leaves what the next one needs: the first one
/// allocates, the last one frees.
struct LoopGroup {
  private var loops = [12 of ComparedLoop?](repeating: nil)
  private var loopCount = 0
  /// How many frames each operation is about.
  private let framesEach: Int
  /// Whether the frames are written, so that there must be memory for them.
  let touchesMemory: Bool
  /// Whether it would be about something else with more frames.
  let isHotOnly: Bool

  init(framesEach: Int = 1, touchesMemory: Bool = false, isHotOnly: Bool = false) {
    self.framesEach = framesEach
    self.touchesMemory = touchesMemory
    self.isHotOnly = isHotOnly || touchesMemory
  }

  /// Adds a loop to be run after the others; with an empty name if it is only preparation.
  mutating func add(_ name: StaticString, _ loop: Loop, _ limit: Loop) {
    loops[loopCount] = ComparedLoop(name: name, loop: loop, limit: limit)
    loopCount += 1
  }
}

extension LoopGroup {
  /// Runs the group `rounds` times over `frameCount` frames and writes a line for each of its rows.
  func time(on machine: borrowing Machine, frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach
    var library = [12 of Samples](repeating: Samples())
    var limit = [12 of Samples](repeating: Samples())
    // A round that does not count brings caches and free lists into the state of all later ones.
    run(on: machine, frameCount: frameCount, rounds: 1)
    for _ in 0..<rounds {
      forEachLoop { index, compared in library[index].measure(compared.loop, count) }
    }
    machine.expectAllFramesBack()

    // Apart, so that the two tables do not fight for the processor's caches.
    limit_reset(framesEach)
    forEachLoop { _, compared in compared.limit(count) }
    for _ in 0..<rounds {
      forEachLoop { index, compared in limit[index].measure(compared.limit, count) }
    }
    forEachLoop { index, compared in
      Report.write(compared.name, frameCount, library[index].median, limit[index].median, count)
    }
  }

  /// Runs the loops of the library `rounds` times over `frameCount` frames.
  func run(on machine: borrowing Machine, frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach
    for _ in 0..<rounds {
      forEachLoop { _, compared in compared.loop(count) }
    }
    machine.expectAllFramesBack()
  }

  /// Writes how many operations of each row `rounds` rounds over `frameCount` frames are.
  func reportOperations(frameCount: Int, rounds: Int) {
    let count = frameCount / framesEach * rounds
    forEachLoop { _, compared in Report.write(compared.name, operations: count) }
  }

  private func forEachLoop(_ body: (Int, ComparedLoop) -> Void) {
    for index in 0..<loopCount {
      if let compared = loops[index] { body(index, compared) }
    }
  }
}
