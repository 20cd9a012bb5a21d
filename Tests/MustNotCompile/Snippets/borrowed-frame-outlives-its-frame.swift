// error: lifetime-dependent value escapes its scope
import TesseraFrames
import TesseraHardware

@_lifetime(immortal)
func look() throws(TesseraError) -> BorrowedFrame<PlainMemory> {
  let frame = try Frame(allocating: PlainMemory())
  guard frame.address == .zero else { throw .outOfBounds }
  return frame.borrow()  // wrong
  throw .empty
}
