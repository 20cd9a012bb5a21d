// error: cannot find 'PageTableNode' in scope
import Tessera

func forge(_ address: PhysicalAddress) -> PhysicalAddress {
  _ = unsafe PageTableNode(at: address)  // wrong
  return address
}
