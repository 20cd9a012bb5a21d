// error: 'frame' is borrowed and cannot be consumed
import TesseraFrames

func keep(_ frame: consuming Frame<PlainMemory>) {}

func duplicate(_ frame: borrowing Frame<PlainMemory>) {
  keep(frame.share())
  keep(frame)  // wrong
}
