// error: no exact matches in call to instance method 'untyped'
import TesseraFrames

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func expose(_ frame: consuming Frame<Pipe>) -> AnyFrame {
  let memory = frame.untyped()  // wrong
  return frame.erased()
}
