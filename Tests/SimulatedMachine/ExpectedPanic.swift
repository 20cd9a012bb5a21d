public import Testing

/// Expects that the process of an exit test ended with a panic whose message begins with
/// `sentence`.
///
/// The exit test must observe the standard error of its process.
public func expectPanic(
  in result: ExitTest.Result?, _ sentence: String,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let bytes = try #require(result, sourceLocation: sourceLocation).standardErrorContent
  let said = String(decoding: bytes, as: UTF8.self)
  #expect(
    said.contains("tessera: panic: " + sentence), "standard error: \(said)",
    sourceLocation: sourceLocation)
}
