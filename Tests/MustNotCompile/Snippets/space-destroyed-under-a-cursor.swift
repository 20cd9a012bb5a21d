// error: overlapping accesses to 'space'
import Tessera

func keep(_ space: consuming VmSpace) {}

func clear(_ space: consuming VmSpace, _ range: Range<VirtualAddress>) throws -> PageRun {
  let cursor = try space.cursor(over: range)
  keep(space)  // wrong
  return try cursor.query()
}
