// error: lifetime-dependent value escapes its scope
import Tessera

@_lifetime(immortal)
func open(_ range: Range<VirtualAddress>) throws(TesseraError) -> Cursor {
  guard let space = try? VmSpace(), space.activeProcessorCount == 0 else { throw .outOfFrames }
  return try space.cursor(over: range)  // wrong
  throw .empty
}
