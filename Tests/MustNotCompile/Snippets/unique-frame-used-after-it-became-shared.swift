// error: 'frame' used after consume
import TesseraFrames

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func publish(_ frame: consuming UniqueFrame<Pipe>) -> Frame<Pipe> {
  let shared = frame.shared()
  frame.metadata.readers = 1  // wrong
  return shared
}
