// error: 'frame' used after consume
import TesseraFrames
import TesseraHardware

func keep(_ frame: consuming Frame<PlainMemory>) {}

func share() throws(TesseraError) -> UInt64 {
  let frame = try Frame(allocating: PlainMemory())
  keep(frame.share())
  keep(frame)  // wrong
  return frame.referenceCount
}
