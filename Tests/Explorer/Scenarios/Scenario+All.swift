extension Scenario {
  /// All scenarios. One that is added here is run by `make explore`.
  static var all: [Scenario] {
    pages + translations + tables + bits + frames + limits + changes + faults + moves + heap
      + paging + idlePaging + transfers + mistakes
  }
}
