internal import TesseraHardware
internal import TesseraPager

/// What a page of a space should be.
struct PagerPage: BitwiseCopyable {
  enum Kind: UInt8 {
    case absent
    /// Its contents are the space's own.
    case anonymous
    /// It is a page of a memory object, unless it was copied.
    case object
  }

  var kind = Kind.absent
  var access = PageAccess.readWrite
  /// Whether what is written is the object's.
  var isShared = false
  /// Whether the space has written its private page of an object, and has contents of its own.
  var isCopied = false
  var object = 0
  /// The number of the page in the object.
  var index = 0
  /// The contents, if they are the space's own.
  var words = PagerWords()

  /// Whether the contents are those of the object.
  var isObjects: Bool { kind == .object && !isCopied }
}

/// What a memory object should be.
struct PagerObject: BitwiseCopyable {
  /// How many pages there can be.
  static var capacity: Int { 24 }

  /// Whether the walk has a handle to it. Pages of spaces may be its pages without.
  var hasHandle = false
  var byteCount = 0
  var hasStore = false

  var pageCount: Int { (byteCount + 4095) / 4096 }
}

/// A memory object that a walk has a handle to. Has a `deinit` as `HeldSpace` has one.
struct HeldObject: ~Copyable {
  let object: MemoryObject

  init(_ object: consuming MemoryObject) { self.object = object }

  deinit {}
}
