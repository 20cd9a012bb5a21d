// error: overlapping accesses to 'space'
import Tessera

func keep(_ space: consuming VmSpace) {}

func look(_ space: consuming VmSpace, _ range: Range<VirtualAddress>) throws -> UInt8? {
  let reader = try space.reader(of: range)
  keep(space)  // wrong
  return reader.load(UInt8.self)
}
