import ExplorerRuntime
import TesseraHardware
import TesseraPageTables
import TesseraSpaces

// Calls that work on ranges: each adds its result.
extension World {
  /// Moves `count` pages from one place of the first space to another.
  func move(_ page: Int, count: Int = 1, to target: Int) {
    explorer_begin_call()
    var result: UInt64 = 1
    withSpace(0) { space in
      do throws(TesseraError) {
        try space.move(Self.range(page, count: count), to: Self.pages[target])
      } catch { result = 1000 + Self.number(of: error) }
    }
    explorer_add_result(result)
  }

  /// Counts and clears the accessed and dirty bits of `count` pages. The result is 2 if one was
  /// dirty, and one more if one had been accessed.
  func harvest(_ page: Int, count: Int = 1) {
    explorer_begin_call()
    withSpace(0) { space in
      let found = try! space.harvest(in: Self.range(page, count: count), clearing: .both)
      explorer_add_result((found.dirty > 0 ? 2 : 0) + (found.accessed > 0 ? 1 : 0))
    }
  }
}
