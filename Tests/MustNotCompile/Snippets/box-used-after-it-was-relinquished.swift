// error: 'box' used after consume
import Tessera

func relinquish(_ box: consuming HeapBox<UInt64>) -> UnsafeMutablePointer<UInt64> {
  let pointer = unsafe box.relinquish()
  box.value = 0  // wrong
  return unsafe pointer
}
