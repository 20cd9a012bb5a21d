// error: requires that 'Pipe' conform to 'UntypedContents'
import Tessera

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func mapPage(_ frame: inout Frame<Pipe>?, in cursor: inout Cursor) throws(TesseraError) {
  try cursor.map(&frame, as: .userReadWrite)  // wrong
  try cursor.unmap(4096)
}
