// error: overlapping accesses to 'frame'
import TesseraFrames

func keep(_ frame: consuming Frame<PlainMemory>) {}

func look(_ frame: consuming Frame<PlainMemory>) -> UInt64 {
  let view = frame.borrow()
  keep(frame)  // wrong
  return view.referenceCount
}
