// error: missing reinitialization of closure capture 'frame' after consume
import TesseraFrames

func keep(_ frame: consuming Frame<PlainMemory>) {}

func giveAwayLater(_ frame: consuming Frame<PlainMemory>, _ run: (() -> Void) -> Void) {
  run { keep(frame) }  // wrong
}
