// error: expression uses unsafe constructs but is not marked with 'unsafe'
import TesseraFrames
import TesseraHardware

func forge(_ address: PhysicalAddress) -> UntypedFrame? {
  return UntypedFrame(adopting: address)  // wrong
  return nil
}
