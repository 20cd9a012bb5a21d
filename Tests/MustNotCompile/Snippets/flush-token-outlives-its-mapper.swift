// error: lifetime-dependent value escapes its scope
import Tessera

@_lifetime(immortal)
func unmapPage(_ page: VirtualAddress, _ mapper: borrowing PageMapper) throws(TesseraError)
  -> PageFlush
{
  return try mapper.unmap(page)  // wrong
  throw .empty
}
