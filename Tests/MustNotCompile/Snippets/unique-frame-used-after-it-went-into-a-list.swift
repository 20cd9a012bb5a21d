// error: 'frame' used after consume
import TesseraFrames

struct Pipe: FrameMetadata {
  var readers = 0
  static var destructor: FrameMetadataDestructor { { unsafe Pipe.destroy(at: $0) } }
}

func enqueue(_ frame: consuming UniqueFrame<Pipe>, on list: inout FrameList<Pipe>) {
  list.pushBack(frame)
  frame.metadata.readers = 1  // wrong
}
