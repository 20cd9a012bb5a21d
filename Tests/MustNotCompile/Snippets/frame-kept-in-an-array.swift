// error: type 'Frame<PlainMemory>' does not conform to protocol 'Copyable'
import TesseraFrames

func collect(_ frame: consuming Frame<PlainMemory>) {
  var frames: [Frame<PlainMemory>] = []  // wrong
}
