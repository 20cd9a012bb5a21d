internal import TesseraFrames
internal import TesseraHardware

/// What a check build does to find objects that are misused: a pattern in free objects, one behind
/// each object in use, and who allocated it.
///
///     in use   the bytes that were asked for  pattern, 0...  caller (8)  size, keyed (8)
///     free     pattern throughout
///
/// In other builds all of it folds to nothing.
enum ObjectGuard {
  private static var freePattern: UInt64 { 0xfeed_f4ee_feed_f4ee }
  private static var zonePattern: UInt8 { 0xbd }
  private static var sizeKey: UInt64 { 0x0b1e_c751_2e00_0000 }
  private static var trailerByteCount: Int { 16 }

  /// The number of bytes that an object of `byteCount` takes with its guard.
  @inline(__always)
  static func byteCount(toGuard byteCount: Int) -> Int {
    guard SimulationHooks.poisonsFreedFrames else { return byteCount }
    let (sum, overflow) = byteCount.addingReportingOverflow(trailerByteCount)
    return overflow ? .max : sum
  }

  /// Fills the `byteCount` bytes at `address`, a multiple of 8, with the pattern of free memory.
  @inline(never)
  static func poison(_ address: UInt, _ byteCount: Int) {
    // SAFETY: the heap owns the memory, which is in one page.
    unsafe Processor.fill(memory(at: address), with: freePattern, count: byteCount / 8)
  }

  /// Checks that no one wrote to the `capacity` bytes of the small object at `address`, which has
  /// just been allocated.
  @inline(__always)
  static func checkFree(_ address: UInt, _ capacity: Int) {
    guard SimulationHooks.poisonsFreedFrames else { return }
    for offset in stride(from: 0, to: UInt(capacity), by: 8)
    where word(at: address + offset) != freePattern {
      panic("an object of the heap was written to after it was freed", at: UInt64(address + offset))
    }
  }

  /// Notes that an object of `byteCount` bytes begins at `address`, and takes `capacity` bytes.
  @inline(__always)
  static func arm(_ address: UInt, _ capacity: Int, byteCount: Int, caller: UInt64) {
    guard SimulationHooks.poisonsFreedFrames else { return }
    let trailer = address + UInt(capacity - trailerByteCount)
    for place in address + UInt(byteCount)..<trailer {
      // SAFETY: the object was just allocated, and the guard is a part of it.
      unsafe memory(at: place).storeBytes(of: zonePattern, as: UInt8.self)
    }
    // SAFETY: as above; both words are aligned.
    unsafe memory(at: trailer).storeBytes(of: caller, as: UInt64.self)
    unsafe memory(at: trailer + 8).storeBytes(of: UInt64(byteCount) ^ sizeKey, as: UInt64.self)
  }

  /// Checks that no one wrote behind the object at `address`, which takes `capacity` bytes, and
  /// fills it with the pattern of free memory.
  @inline(__always)
  static func disarm(_ address: UInt, _ capacity: Int) {
    guard SimulationHooks.poisonsFreedFrames, capacity > 0 else { return }
    check(address, capacity)
    // Frames that are freed are filled anyway.
    if capacity < 4096 { poison(address, capacity) }
  }

  /// Checks that no one wrote behind the object at `address`, which takes `capacity` bytes.
  static func check(_ address: UInt, _ capacity: Int) {
    guard SimulationHooks.poisonsFreedFrames else { return }
    let end = address + UInt(capacity - trailerByteCount)
    let start = address + UInt(byteCount(at: address, capacity))
    // SAFETY: the zone is a part of the object, which is in use.
    for place in start..<end where unsafe memory(at: place).load(as: UInt8.self) != zonePattern {
      panicOnOverflow(of: address, capacity)
    }
  }

  /// The number of bytes that were asked for, of the object at `address`, which takes `capacity`
  /// bytes: all of them, if nothing is guarded.
  @inline(__always)
  static func byteCount(at address: UInt, _ capacity: Int) -> Int {
    guard SimulationHooks.poisonsFreedFrames else { return capacity }
    let size = word(at: address + UInt(capacity - 8)) ^ sizeKey
    guard size <= UInt64(capacity - trailerByteCount) else {
      panicOnOverflow(of: address, capacity)
    }
    return Int(size)
  }

  private static func panicOnOverflow(of address: UInt, _ capacity: Int) -> Never {
    panic { text in
      text.write("wrote beyond the end of an object of the heap: ")
      text.write(hexadecimal: UInt64(address))
      text.write(", allocated by the code at ")
      text.write(hexadecimal: word(at: address + UInt(capacity - trailerByteCount)))
    }
  }

  private static func word(at address: UInt) -> UInt64 {
    // SAFETY: called for words of objects, which are memory.
    unsafe memory(at: address).load(as: UInt64.self)
  }

  @unsafe private static func memory(at address: UInt) -> UnsafeMutableRawPointer {
    unsafe HeapMemory.pointer(to: address)
  }
}
