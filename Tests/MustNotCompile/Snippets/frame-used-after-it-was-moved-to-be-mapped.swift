// error: 'frame' used after consume
import Tessera

func mapPage(_ frame: consuming Frame<PlainMemory>, in cursor: inout Cursor) throws(TesseraError) {
  var handle: Frame<PlainMemory>? = consume frame
  try cursor.map(&handle, as: .userReadWrite)
  frame.setWord(0, at: 0)  // wrong
}
