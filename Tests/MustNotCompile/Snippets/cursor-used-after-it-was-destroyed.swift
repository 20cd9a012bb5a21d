// error: 'cursor' used after consume
import Tessera

func clear(_ space: borrowing VmSpace, _ range: Range<VirtualAddress>) throws {
  var cursor = try space.cursor(over: range)
  try cursor.unmap(4096)
  _ = consume cursor
  try cursor.unmap(4096)  // wrong
}
