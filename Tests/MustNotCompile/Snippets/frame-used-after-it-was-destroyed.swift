// error: 'frame' used after consume
import TesseraFrames
import TesseraHardware

func destroyTwice() throws(TesseraError) {
  let frame = try Frame(allocating: PlainMemory())
  _ = consume frame
  _ = frame.address  // wrong
}
