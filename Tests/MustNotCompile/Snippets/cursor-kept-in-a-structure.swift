// error: stored property 'cursor' of 'Escapable'-conforming struct
import Tessera

struct Session: ~Copyable {
  var cursor: Cursor  // wrong
  var processor = 0
}
