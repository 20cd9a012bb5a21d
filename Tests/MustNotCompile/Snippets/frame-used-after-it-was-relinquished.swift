// error: 'frame' used after consume
import TesseraFrames
import TesseraHardware

func store(_ frame: consuming UntypedFrame) -> PhysicalAddress {
  let address = frame.relinquish()
  frame.setWord(0, at: 0)  // wrong
  return address
}
