public import Testing

/// Expects that the process of an exit test ended with a panic that says `sentence`.
///
/// The exit test must observe what its process wrote to standard error.
public func expectPanic(
  in result: ExitTest.Result?, _ sentence: String,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let bytes = try #require(result, sourceLocation: sourceLocation).standardErrorContent
  let said = String(decoding: bytes, as: UTF8.self)
  #expect(
    said.contains("tessera: panic: " + sentence), "it said: \(said)", sourceLocation: sourceLocation
  )
}
