// error: 'metadata' is a get-only property
import TesseraFrames

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func open(_ frame: inout UniqueFrame<Pipe>, _ shared: inout Frame<Pipe>) {
  frame.metadata.readers += 1
  shared.metadata.readers += 1  // wrong
}
