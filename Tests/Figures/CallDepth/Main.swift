import CallFuzz
import SimulatedMachine
import Tessera
import TesseraHardware
import TesseraHeader

/// Carries out each public operation that changes or reads page tables, in its usual cases, and
/// prints the calls that lead to each entry. `../hops` makes a table of them.
@main
enum Main {
  static func main() throws {
    try recordCursors()
    try recordCalls()
  }

  private static func recordCursors() throws {
    let frameCount = 4096
    let machine = SimulatedMachine(frameCount: frameCount)
    try machine.startKernelSpace()
    CallRecorder.install(
      watching: UnsafeMutableRawBufferPointer(
        start: PhysicalMemory.pointer(to: .zero), count: frameCount * 4096))
    let recording = CursorRecording(space: try VmSpace(), child: try VmSpace())
    try recording.openCursors()
    try recording.mapPages()
    try recording.queryPages()
    try recording.protectPages()
    try recording.copyPages()
    try recording.unmapPages()
  }

  /// The functions of `tessera.h`, whose machine also has its metadata in its memory.
  private static func recordCalls() throws {
    let machine = LoadedMachine()
    CallRecorder.install(watching: nil)
    guard machine.start() == TESSERA_OK else { fatalError("the start failed") }
    var space = tessera_space()
    tessera_space_create(&space)
    for (name, address): (String, UInt64) in [
      ("where no table is", 0x80_0000_0000), ("a page", 0x80_0000_1000),
    ] {
      var frame = tessera_frame()
      tessera_allocate(&frame)
      CallRecorder.record("tessera_map \(name)") {
        _ = tessera_map(&space, address, frame, UInt32(TESSERA_READ), nil)
      }
    }
  }
}
