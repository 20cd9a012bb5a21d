internal import TesseraHardware
internal import TesseraHeader
internal import TesseraPageTables

/// Why a change was refused, and at which page.
struct Failure: Error {
  let refusal: APIError
  /// The page that was in the way, if one was.
  let address: VirtualAddress?

  init(_ refusal: APIError) {
    self.refusal = refusal
    address = nil
  }

  init(_ error: MapError) {
    refusal = APIError(error)
    switch error {
    case .alreadyMapped(let address), .notMapped(let address): self.address = address
    case .outOfFrames: address = nil
    }
  }

  /// The result of `body`, whose refusals become failures.
  @inline(__always)
  static func refusing<Result: ~Copyable>(
    _ body: () throws(APIError) -> Result
  ) throws(Failure) -> Result {
    do throws(APIError) { return try body() } catch { throw Failure(error) }
  }

  /// The result of `body`, whose errors become failures.
  @inline(__always)
  static func mapping<Result: ~Copyable>(
    _ body: () throws(MapError) -> Result
  ) throws(Failure) -> Result {
    do throws(MapError) { return try body() } catch { throw Failure(error) }
  }
}
