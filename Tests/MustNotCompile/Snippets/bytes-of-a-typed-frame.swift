// error: requires that 'Pipe' conform to 'UntypedContents'
import TesseraFrames

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func peek(_ frame: borrowing Frame<Pipe>) -> Int {
  _ = frame.word(at: 0)  // wrong
  return frame.metadata.readers
}
