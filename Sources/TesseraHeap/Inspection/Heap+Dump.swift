internal import TesseraFrames
public import TesseraHardware

extension Heap {
  /// Writes what the heap takes, as a table: a line for each size class that has slabs, with a
  /// picture of how full they are.
  ///
  ///     bytes  objects  in use  slabs
  ///        16      512     300      2  #2
  ///        64       64      64      1  #
  ///
  /// In the picture each character is a slab, or the same number of slabs: `#` is full, a digit is
  /// the tenths of its objects that are in use, and `.` is empty. Takes no lock, allocates nothing,
  /// and changes nothing; exact while nothing else uses the heap. Visits every frame.
  public static func dump(to sink: inout some TextSink & ~Copyable) {
    let occupancy = SlabOccupancy()
    sink.write("bytes    objects     in use    slabs\n")
    for number in 0..<SizeClass.count where occupancy.slabCount(number) > 0 {
      let objectCount = SizeClass.objectCount(of: number)
      sink.write(decimal: UInt64(SizeClass.byteCount(of: number)), width: 5)
      sink.write(
        decimal: UInt64(occupancy.slabCount(number) * objectCount), width: 11, grouped: true)
      sink.write(decimal: UInt64(occupancy.usedCount(number)), width: 11, grouped: true)
      sink.write(decimal: UInt64(occupancy.slabCount(number)), width: 9, grouped: true)
      sink.write("  ")
      occupancy.draw(number, to: &sink)
      sink.writeLine()
    }
    dumpLarge(to: &sink)
  }

  private static func dumpLarge(to sink: inout some TextSink & ~Copyable) {
    let statistics = statistics
    sink.write("larger: ")
    sink.write(byteSize: statistics.largeFrameCount << 12)
    sink.write(" contiguous, ")
    sink.write(byteSize: statistics.mappedFrameCount << 12)
    sink.write(" mapped; records: ")
    sink.write(byteSize: statistics.recordCount << 12)
    sink.writeLine()
  }
}

/// How full the slabs of each class are: what the slots of all frames say.
private struct SlabOccupancy {
  /// For each class, the number of slabs that are empty, of those of which some tenths are in use,
  /// and of full ones.
  private var slabs = [276 of UInt32](repeating: 0)
  private var used = [23 of Int](repeating: 0)

  private static var stepCount: Int { 12 }
  private static var full: Int { 11 }

  init() {
    for number in 0..<FrameTable.frameCount {
      let slot = FrameTable.slot(number: number)
      guard slot.kind.isSlab, slot.count == ReferenceCount.unique else { continue }
      let sizeClass = slot.slabPlace.sizeClass
      let objectCount = SizeClass.objectCount(of: sizeClass)
      let usedCount = objectCount - slot.freeObjectCount
      used[sizeClass] += usedCount
      slabs[sizeClass * Self.stepCount + Self.step(usedCount, of: objectCount)] += 1
    }
  }

  private static func step(_ usedCount: Int, of objectCount: Int) -> Int {
    if usedCount == 0 { return 0 }
    return usedCount == objectCount ? full : 1 + usedCount * 10 / objectCount
  }

  func usedCount(_ sizeClass: Int) -> Int { used[sizeClass] }

  func slabCount(_ sizeClass: Int) -> Int {
    var count = 0
    for step in 0...Self.full { count += slabCount(sizeClass, step) }
    return count
  }

  private func slabCount(_ sizeClass: Int, _ step: Int) -> Int {
    Int(slabs[sizeClass * Self.stepCount + step])
  }

  /// Draws the slabs of a class, the fullest first, with 40 characters at most.
  func draw(_ sizeClass: Int, to sink: inout some TextSink & ~Copyable) {
    let slabsForCharacter = (slabCount(sizeClass) + 39) / 40
    for step in (0...Self.full).reversed() {
      let count = slabCount(sizeClass, step)
      for _ in 0..<(count + slabsForCharacter - 1) / slabsForCharacter {
        switch step {
        case 0: sink.write(byte: UInt8(ascii: "."))
        case Self.full: sink.write(byte: UInt8(ascii: "#"))
        default: sink.write(byte: UInt8(ascii: "0") + UInt8(step - 1))
        }
      }
    }
  }
}
