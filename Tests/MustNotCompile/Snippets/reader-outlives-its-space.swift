// error: lifetime-dependent value escapes its scope
import Tessera

@_lifetime(immortal)
func open(_ range: Range<VirtualAddress>) throws(TesseraError) -> UserMemoryReader {
  guard let space = try? VmSpace(), space.activeProcessorCount == 0 else { throw .notActive }
  return try space.reader(of: range)  // wrong
  throw .outOfBounds
}
