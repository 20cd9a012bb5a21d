// error: 'list' is borrowed and cannot be consumed
import TesseraFrames

func keep(_ list: consuming FrameList<PlainMemory>) {}

func duplicate(_ list: borrowing FrameList<PlainMemory>) -> Int {
  keep(list)  // wrong
  return list.count
}
