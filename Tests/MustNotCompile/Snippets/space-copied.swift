// error: 'space' is borrowed and cannot be consumed
import Tessera

func keep(_ space: consuming VmSpace) {}

func duplicate(_ space: borrowing VmSpace) -> Int {
  keep(space)  // wrong
  return space.activeProcessorCount
}
