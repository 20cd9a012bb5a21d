/// What a run may do in one step.
package enum FrameOperation: Int {
  case allocateFrame, allocateUnique, allocateSegment, allocateRaw, allocateNothing
  case drop, share, shareByAddress, claimFrame, claimUnique, claimRange, tryBadAddress
  case convert, makeUnique, makeShared, repurpose, changeMetadata
  case relinquish, adopt, addCount, borrow, write
  case split, slice, takeNext, makeSegment
  case makeList, push, pop, insert, takeAtCursor, walkList, changeInList
  case freePart, drainCache, reallocate

  package static var count: Int { FrameOperation.reallocate.rawValue + 1 }

  /// How often it is chosen, compared with the others.
  var weight: Int {
    switch self {
    case .allocateFrame, .allocateUnique: 8
    case .allocateSegment: 6
    case .allocateRaw: 4
    case .drop: 14
    case .share: 7
    case .convert, .makeUnique, .claimFrame, .claimRange, .push: 5
    case .allocateNothing, .makeList, .drainCache, .tryBadAddress: 1
    default: 3
    }
  }

  /// What a report calls it.
  package var name: StaticString {
    switch self {
    case .allocateFrame: "allocate a frame"
    case .allocateUnique: "allocate a unique frame"
    case .allocateSegment: "allocate a segment"
    case .allocateRaw: "allocate bare frames"
    case .allocateNothing: "allocate nothing, or too much"
    case .drop: "drop a handle"
    case .share: "share a handle"
    case .shareByAddress: "share a frame by address"
    case .claimFrame: "claim a frame"
    case .claimUnique: "claim a unique frame"
    case .claimRange: "claim a range"
    case .tryBadAddress: "try an address of no frame"
    case .convert: "convert a handle"
    case .makeUnique: "make a frame unique"
    case .makeShared: "make a unique frame shared"
    case .repurpose: "repurpose a unique frame"
    case .changeMetadata: "change metadata"
    case .relinquish: "relinquish a count"
    case .adopt: "adopt a count"
    case .addCount: "add a count by address"
    case .borrow: "borrow a frame"
    case .write: "write to memory"
    case .split: "split a segment"
    case .slice: "slice a segment"
    case .takeNext: "take the next frame off a segment"
    case .makeSegment: "make a segment of a frame"
    case .makeList: "make a list"
    case .push: "push a frame into a list"
    case .pop: "pop a frame out of a list"
    case .insert: "insert a frame into a list"
    case .takeAtCursor: "take a frame out of a list"
    case .walkList: "walk along a list"
    case .changeInList: "change metadata in a list"
    case .freePart: "free a part of bare frames"
    case .drainCache: "empty the cache"
    case .reallocate: "free a frame and allocate it again"
    }
  }
}
