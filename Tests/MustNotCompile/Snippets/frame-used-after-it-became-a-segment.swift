// error: 'frame' used after consume
import TesseraFrames

func widen(_ frame: consuming Frame<PlainMemory>) -> Segment<PlainMemory> {
  let segment = Segment(frame)
  _ = frame.address  // wrong
  return segment
}
