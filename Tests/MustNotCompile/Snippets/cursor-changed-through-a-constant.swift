// error: cannot use mutating member on immutable value: 'cursor' is a 'let' constant
import Tessera

func clear(_ cursor: borrowing Cursor) throws -> PageRun {
  try cursor.unmap(4096)  // wrong
  return try cursor.query()
}
