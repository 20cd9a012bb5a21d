internal import TesseraFrames
internal import TesseraPageTables

/// Why the library refused a step of the demonstration, which expects none to be.
enum Refusal: Error {
  case frame(FrameError)
  case range(RangeError)
  case map(MapError)
}
