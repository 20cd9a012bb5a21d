// error: 'slot' is inaccessible due to 'package' protection level
import TesseraFrames

func reach(_ frame: borrowing AnyFrame) -> UInt64 {
  _ = frame.slot  // wrong
  return frame.referenceCount
}
