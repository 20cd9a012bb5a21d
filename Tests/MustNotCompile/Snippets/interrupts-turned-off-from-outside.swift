// error: 'disableInterrupts' is inaccessible due to 'package' protection level
import TesseraHardware

func stopTheWorld() -> Int {
  _ = Processor.disableInterrupts()  // wrong
  return Processor.current
}
