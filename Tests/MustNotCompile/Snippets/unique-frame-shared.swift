// error: value of type 'UniqueFrame<PlainMemory>' has no member 'share'
import TesseraFrames

func alias(_ frame: consuming UniqueFrame<PlainMemory>) -> Frame<PlainMemory> {
  let other = frame.share()  // wrong
  return frame.shared()
}
