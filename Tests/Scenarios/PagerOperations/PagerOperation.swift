/// What a walk through the pager can do.
package enum PagerOperation: Int {
  // Programs.
  case read, write
  // Spaces.
  case makeSpace, dropSpace, fork, copy, move, protect, unmap, replace, setDemandZero
  // Memory objects.
  case mapObject, makeObject, dropObject, resize, synchronize
  // The kernel's use of memory: of a program's, and of an object's.
  case copyIn, copyOut, readObject, writeObject
  // Memory and stores.
  case reclaim, reclaimAll, keepFree, fail, finish

  package static var count: Int { PagerOperation.finish.rawValue + 1 }

  /// How often an operation is chosen, of 400.
  static func chosen(_ choice: Int) -> PagerOperation {
    switch choice {
    case 0..<90: .read
    case 90..<200: .write
    case 200..<202: .makeSpace
    case 202..<209: .dropSpace
    case 209..<219: .fork
    case 219..<222: .copy
    case 222..<232: .move
    case 232..<240: .protect
    case 240..<247: .unmap
    case 247..<255: .replace
    case 255..<260: .setDemandZero
    case 260..<274: .mapObject
    case 274..<277: .makeObject
    case 277..<279: .dropObject
    case 279..<287: .resize
    case 287..<293: .synchronize
    case 293..<307: .copyIn
    case 307..<318: .copyOut
    case 318..<328: .readObject
    case 328..<340: .writeObject
    case 340..<370: .reclaim
    case 370..<371: .reclaimAll
    case 371..<374: .keepFree
    case 374..<380: .fail
    default: .finish
    }
  }
}

/// One thing that a walk did, for people.
package struct LoggedPagerOperation {
  package let step: Int
  package let operation: PagerOperation
  package let space: Int
  package let firstPage: Int
  package let pageCount: Int
  /// What else matters: an offset, a right, a number.
  package let value: UInt64
}
