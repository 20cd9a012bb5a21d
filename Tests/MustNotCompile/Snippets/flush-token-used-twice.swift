// error: 'token' consumed more than once
import Tessera

func unmapPage(_ page: VirtualAddress, _ mapper: borrowing PageMapper) throws(TesseraError) {
  let token = try mapper.unmap(page)
  token.postpone()  // wrong
  token.flush()
}
