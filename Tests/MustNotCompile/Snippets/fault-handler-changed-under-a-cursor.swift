// error: overlapping accesses to 'space'
import Tessera

func answer(_ space: inout VmSpace, _ range: Range<VirtualAddress>) throws -> PageRun {
  let cursor = try space.cursor(over: range)
  space.handleFaults(with: { _, _, _ in false })  // wrong
  return try cursor.query()
}
