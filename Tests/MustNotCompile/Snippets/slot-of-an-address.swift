// error: 'slot' is inaccessible due to 'package' protection level
import TesseraFrames
import TesseraHardware

func reach(_ address: PhysicalAddress) throws(TesseraError) -> UInt64 {
  _ = try FrameTable.slot(at: address)  // wrong
  return FrameTable.frameCount
}
