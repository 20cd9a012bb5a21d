// error: 'cursor' is borrowed and cannot be consumed
import Tessera

func finish(_ cursor: consuming Cursor) {}

func duplicate(_ cursor: borrowing Cursor) -> VirtualAddress {
  finish(cursor)  // wrong
  return cursor.address
}
