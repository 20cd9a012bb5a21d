/// Whether the tests were built with optimization, and have time for many more rounds.
package let isOptimized: Bool = {
  var isOptimized = true
  assert({ isOptimized = false }() == ())
  return isOptimized
}()
