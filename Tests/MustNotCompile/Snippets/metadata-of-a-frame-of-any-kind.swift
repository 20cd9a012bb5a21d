// error: requires that 'AnyMetadata' conform to 'FrameMetadata'
import TesseraFrames

func look(_ frame: borrowing AnyFrame) -> UInt64 {
  _ = frame.metadata  // wrong
  return frame.referenceCount
}
