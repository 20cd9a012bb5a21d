// error: 'frame' consumed more than once
import TesseraFrames

func keep(_ frame: consuming Frame<PlainMemory>) {}

func giveAway(_ frame: consuming Frame<PlainMemory>) {
  keep(frame)
  keep(frame)  // wrong
}
