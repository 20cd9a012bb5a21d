// error: cannot pass immutable value as inout argument: 'frame' is a 'let' constant
import Tessera

func mapPage(in cursor: inout Cursor) throws -> Bool {
  let frame: Frame<PlainMemory>? = try Frame(allocating: PlainMemory())
  try cursor.map(&frame, as: .userReadWrite)  // wrong
  return frame == nil
}
