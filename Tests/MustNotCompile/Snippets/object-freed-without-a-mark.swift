// error: expression uses unsafe constructs but is not marked with 'unsafe' [#StrictMemorySafety]
import Tessera

func free(_ object: UnsafeMutableRawPointer) {
  Heap.free(object)  // wrong
}
