// error: 'frame' used after consume
import TesseraFrames

func forget(_ frame: consuming Frame<PlainMemory>) -> AnyFrame {
  let erased = frame.erased()
  _ = frame.metadata  // wrong
  return erased
}
