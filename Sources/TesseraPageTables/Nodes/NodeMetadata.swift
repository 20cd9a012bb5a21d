internal import Synchronization
public import TesseraFrames
internal import TesseraHardware

/// The metadata of a page-table node, in the slot of its frame: 40 bytes, all that fit there.
///
/// The owners of a node are its parent's entry, handles, and the processors that run on it. It is
/// freed with the last of them, and its children with it.
public struct NodeMetadata: FrameMetadata, ~Copyable {
  /// The number of entries that are not absent.
  ///
  /// Access: under the lock.
  var presentCount: UInt16 = 0

  /// The level, from 1, whose entries are leaves of 4 KiB, up to that of the root.
  ///
  /// Access: constant once the node is in a tree.
  var level: UInt8

  /// Whether the node is detached from its tree, and whether it is a root.
  ///
  /// Access: under the lock.
  var flags: UInt8

  /// The next node in a list of unused or deferred nodes.
  ///
  /// Access: by the owner of the chain.
  var next: FrameSlotReference?

  /// The processors of the first group on which the address space with this root is active.
  ///
  /// Access: atomic.
  let activeProcessors: Atomic<UInt64>
  /// The version of a root, see `ProcessContexts`; 0 of another node.
  ///
  /// Access: atomic.
  let version: Atomic<UInt64>
  /// What the pager knows a root by; 0 of another node, and of a space that it does not page.
  ///
  /// Access: atomic.
  let pager = Atomic<UInt64>(0)

  static var detachedFlag: UInt8 { 1 }
  static var rootFlag: UInt8 { 2 }

  /// The metadata of an empty node.
  init(level: PagingLevel, isRoot: Bool = false) {
    self.level = UInt8(truncatingIfNeeded: level.number)
    flags = isRoot ? Self.rootFlag : 0
    activeProcessors = Atomic(0)
    version = Atomic(isRoot && ProcessContexts.areUsed ? TLBShootdown.makeVersionSafely() : 0)
  }

  // SAFETY: called for the storage of a slot whose kind is this type's.
  public static var destructor: FrameMetadataDestructor {
    { unsafe NodeMetadata.destroy(at: $0) }
  }

  public static var role: FrameRole { FrameRole(.pageTable, isUntyped: false) }

  /// Drops everything that the node's entries own, and leaves them absent.
  public mutating func onDrop(_ contents: FrameContents) {
    guard presentCount > 0 else { return }
    let level = PagingLevel(Int(level))
    // SAFETY: the last reference is gone, so nothing else writes the frame, and its metadata says
    // that it is a node.
    let node = unsafe LockedNode(holding: PageTableNode(at: contents.address), level: level)
    if level == .leafTable {
      node.dropLeaves()
    } else {
      let isRoot = flags & Self.rootFlag != 0
      node.dropEntries(isRoot ? AddressSpaceLayout.userEntries : 0..<512)
    }
    presentCount = 0
  }
}

extension LockedNode {
  /// Drops the frames of a leaf table that is being destroyed, contiguous ones together.
  fileprivate func dropLeaves() {
    var run: FrameRun?
    for index in 0..<512 {
      let entry = self[index]
      let slot: FrameSlotReference
      if entry.isUsualLeaf {
        store(.absent, at: index, replacing: entry)
        // SAFETY: the entry has just been removed, and its reference is dropped once, with the run.
        slot = unsafe LeafOwnership.slot(ofUsual: entry)
      } else {
        guard !entry.isAbsent, take(entry, at: index).ownsFrame else { continue }
        // SAFETY: as above.
        slot = unsafe LeafOwnership.slot(of: entry, size: .fourKiB)
      }
      if run?.append(slot) == true { continue }
      run?.dropReferences()
      run = FrameRun(slot)
    }
    run?.dropReferences()
  }

  /// Drops the entries at `indices` of a node that is being destroyed.
  fileprivate func dropEntries(_ indices: Range<Int>) {
    node.forEachUsed(indices) { index, entry in
      store(.absent, at: index, replacing: entry)
      if entry.isTable {
        // SAFETY: the entry held the reference of its child, and has just been removed.
        NodePool.release(unsafe PageTableNode(at: entry.tableAddress))
      } else if entry.ownsFrame, let size = level.pageSize {
        LeafOwnership.noteRemoval(of: entry)
        // SAFETY: the entry held a reference of this frame, and has just been removed.
        unsafe LeafOwnership.release(entry, size: size)
      }
    }
  }
}
