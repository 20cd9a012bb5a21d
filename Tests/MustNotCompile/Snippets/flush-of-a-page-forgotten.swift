// error: result of call to 'unmap' is unused
import Tessera

func unmapPage(_ page: VirtualAddress, of space: borrowing VmSpace) throws(TesseraError) {
  try space.withPageMapper(over: VmSpace.start..<VmSpace.end) { mapper throws(TesseraError) in
    try mapper.unmap(page)  // wrong
    try mapper.map(page, as: .userRead).flush()
  }
}
