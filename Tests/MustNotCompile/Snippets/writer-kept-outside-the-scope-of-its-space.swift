// error: lifetime-dependent variable 'writer' escapes its scope
import Tessera

func fill(_ range: Range<VirtualAddress>) throws {
  let writer: UserMemoryWriter  // wrong
  do {
    let space = try VmSpace()
    space.activate()
    writer = try space.writer(of: range)  // wrong
  }
  _ = writer.store(0 as UInt8)  // wrong
}
