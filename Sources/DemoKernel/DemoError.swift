internal import TesseraFrames
internal import TesseraPageTables

/// An error of the library in a step of the demonstration, which expects none.
enum DemoError: Error {
  case frame(FrameError)
  case range(RangeError)
  case map(MapError)
}
