// error: lifetime-dependent value escapes its scope
import Tessera

@_lifetime(immortal)
func open(_ mapper: borrowing PageMapper) throws(TesseraError) -> FlushBatch {
  return mapper.batch()  // wrong
  throw .empty
}
