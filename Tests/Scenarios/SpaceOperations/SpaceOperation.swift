/// What a run on address spaces can do.
package enum SpaceOperation: Int {
  case makeSpace, dropSpace, activate, deactivate, dropHandle, drainPool, translate,
    tryInvalidRange,
    copy
  // These are done with a cursor.
  case mapLargeFrame, mapLongSegment, promote, mapFrame, mapEach, mapSegment, mapDevice, unmap,
    protect, change, replace, mark, query, findNext, jump

  package static var count: Int { SpaceOperation.jump.rawValue + 1 }

  /// How often one of the steps without a cursor is taken, of 100.
  static func step(_ choice: Int) -> SpaceOperation? {
    switch choice {
    case 0..<4: .makeSpace
    case 4..<6: .dropSpace
    case 6..<11: .activate
    case 11..<13: .deactivate
    case 13..<17: .dropHandle
    case 17..<18: .drainPool
    case 18..<22: .translate
    case 22..<23: .tryInvalidRange
    case 23..<32: .copy
    case 32..<38: .mapLargeFrame
    default: nil
    }
  }

  /// How often an operation is chosen once a cursor is open, of 100.
  static func withCursor(_ choice: Int) -> SpaceOperation {
    switch choice {
    case 0..<14: .mapFrame
    case 14..<17: .mapEach
    case 17..<20: .promote
    case 20..<28: .mapSegment
    case 28..<40: .mapDevice
    case 40..<60: .unmap
    case 60..<67: .protect
    case 67..<72: .change
    case 72..<82: .replace
    case 82..<90: .mark
    case 90..<93: .query
    case 93..<97: .findNext
    default: .jump
    }
  }

  package var name: StaticString {
    switch self {
    case .makeSpace: "make a space"
    case .dropSpace: "drop a space"
    case .activate: "activate a space"
    case .deactivate: "run on the kernel's tables alone"
    case .dropHandle: "drop a handle"
    case .drainPool: "give spare nodes back"
    case .translate: "translate an address"
    case .tryInvalidRange: "ask for a wrong range"
    case .copy: "copy pages"
    case .mapFrame: "map a frame"
    case .mapLargeFrame: "map a large frame"
    case .mapLongSegment: "map a segment of 512"
    case .promote: "make large pages"
    case .mapEach: "map frames one by one"
    case .mapSegment: "map a segment"
    case .mapDevice: "map a device"
    case .unmap: "unmap"
    case .protect: "protect"
    case .change: "change by mask"
    case .replace: "replace"
    case .mark: "mark"
    case .query: "query"
    case .findNext: "find the next page"
    case .jump: "jump"
    }
  }
}
