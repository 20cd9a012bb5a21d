/// A place that breaks a style rule, and what to do about it.
struct Finding: Equatable, CustomStringConvertible {
  /// The file, from the top of the checkout.
  let file: String
  /// Counted from 1.
  let line: Int
  let advice: String

  var description: String { "\(file):\(line): \(advice)" }
}
