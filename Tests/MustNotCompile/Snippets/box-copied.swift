// error: 'box' is borrowed and cannot be consumed
import Tessera

func keep(_ box: consuming HeapBox<UInt64>) {}

func duplicate(_ box: borrowing HeapBox<UInt64>) -> UInt64 {
  keep(box)  // wrong
  return box.value
}
