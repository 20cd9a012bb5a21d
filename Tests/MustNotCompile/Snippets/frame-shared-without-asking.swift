// error: 'frame' used after consume
import TesseraFrames

func keep(_ frame: consuming Frame<PlainMemory>) {}

func share() throws(FrameError) -> UInt64 {
  let frame = try Frame(allocating: PlainMemory())
  keep(frame.share())
  keep(frame)  // wrong
  return frame.referenceCount
}
