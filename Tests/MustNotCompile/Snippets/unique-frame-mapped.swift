// error: no exact matches in call to instance method 'map'
import Tessera

func mapPage(_ frame: inout UniqueFrame<PlainMemory>?, in cursor: inout Cursor) throws(TesseraError)
{
  try cursor.map(&frame, as: .userReadWrite)  // wrong
  try cursor.unmap(4096)
}
