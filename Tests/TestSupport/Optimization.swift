/// A Boolean value indicating whether the tests were built with optimization, so that they can run
/// many more rounds in the same time.
package let isOptimized: Bool = {
  var isOptimized = true
  assert({ isOptimized = false }() == ())
  return isOptimized
}()
