// error: 'space' used after consume
import Tessera

func run() throws(TesseraError) {
  let space = try VmSpace()
  space.activate()
  _ = consume space
  space.activate()  // wrong
}
