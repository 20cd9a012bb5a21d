// error: overlapping accesses to 'cursor'
import Tessera

func repeatPages(_ cursor: inout Cursor) throws(TesseraError) {
  try cursor.copy(from: &cursor, 4096)  // wrong
}
