/*
 * Cursors and walks without locks in page tables of three levels, whose nodes are added, removed,
 * freed and used again, for nodes or for a program's data. The root has a table in the middle, that
 * has two leaf tables, each with one page.
 *
 * Cursors over one page, over both, and over all that the root's entry spans map and unmap pages;
 * an empty table is then removed, or all below the root at once. A frame that is freed may become a
 * node again, or a program's, who writes what looks like an entry.
 *
 * Steps of: RangeLock.lockCovering, addCovering, releaseAbove, lockBelow, unlock;
 * PageTableNode.walk, acquireLock(while:); TreeVersion; LockedNode.link, unlink, detach;
 * EmptyNodes.reclaim; NodePool.construct and free. A flush of the TLB is done at once: see
 * shootdown.pml.
 *
 * What holds: a cursor's locks are those of nodes in the tree, for as long as it has them; no other
 * has a page of its range; an entry that was read from a freed frame is never used; a node that is
 * freed is not in the tree, and empty; no cursor waits for ever.
 */
#ifndef N
#define N 2     /* processors */
#endif
#ifndef STEPS
#define STEPS 3 /* cursors, together */
#endif
#ifndef USES
#define USES 2  /* frames that the program allocates, one after another */
#endif

#define ROOT 0
#define FRAME_COUNT 5 /* the root, and four that are allocated */
#define GARBAGE 9
#define PAGE 8        /* the entry of a mapped page */

#define ENTRY(node, index) content[2 * (node) + (index)]
byte content[10];            /* 0 = absent, or the frame of a table */
bool isNode[FRAME_COUNT];
bool isData[FRAME_COUNT];    /* a program's; neither means free */
bool isDetached[FRAME_COUNT];
bool isLocked[FRAME_COUNT];  /* FrameSlot.lock, whatever the frame is */
byte version;                /* TreeVersion.latest */
byte owners[2];              /* cursors over a page, to see that there is one at most */
byte left = STEPS;

#define IS_FREE(frame) ((frame) != ROOT && !isNode[frame] && !isData[frame])
#define IS_FULL(node) (ENTRY(node, 0) != 0 || ENTRY(node, 1) != 0)

/* Whether a walk from the root leads to the node, of `level`, for `page`. */
#define MIDDLE ENTRY(ROOT, 0)
#define IS_IN_TREE(node, level, page) ((level) == 3 && (node) == ROOT \
  || (level) == 2 && MIDDLE == (node) \
  || (level) == 1 && MIDDLE != 0 && ENTRY(MIDDLE, page) == (node))

/* The index of a page's entry in a table of `level`. */
#define INDEX(level, page) ((level) == 2 -> (page) : 0)

inline release(frame) {
  assert(isLocked[frame]);
  isLocked[frame] = false
}

/* The lock of a node that the caller keeps from being freed. */
inline acquire(frame) { atomic { !isLocked[frame] -> isLocked[frame] = true } }

/* NodePool.construct of a free frame, whose lock a walk that is late may have. Leaves `fresh` zero
 * if there is none. */
inline construct() {
  atomic {
    fresh = 1;
    do
    :: fresh < FRAME_COUNT && !IS_FREE(fresh) -> fresh++
    :: fresh < FRAME_COUNT && IS_FREE(fresh) -> isNode[fresh] = true; break
    :: fresh == FRAME_COUNT -> fresh = 0; break
    od;
    if
    :: fresh != 0 ->
      isDetached[fresh] = false;
      ENTRY(fresh, 0) = 0;
      ENTRY(fresh, 1) = 0
    :: else
    fi
  };
#ifndef BUG_FRESH_NODE_UNLOCKED
  if :: fresh != 0 -> acquire(fresh) :: else fi
#else
  skip
#endif
}

/* The node is freed, once it is out of the tree and everything is flushed. */
inline free(frame) {
  atomic {
    assert(isNode[frame]);
    assert(MIDDLE != frame);
    assert(MIDDLE == 0 || ENTRY(MIDDLE, 0) != frame && ENTRY(MIDDLE, 1) != frame);
    isNode[frame] = false
  }
}

/* PageTableNode.walk, to `page`, down to `lowest`. Leaves `node` and `level`; `isStale` if a node
 * was detached meanwhile. */
inline walk(lowest) {
  atomic { seen = version; node = ROOT; level = 3; isStale = false };
  do
  :: level > lowest ->
    found = ENTRY(node, INDEX(level, page));
#ifndef BUG_VERSION_NOT_COMPARED_IN_A_WALK
    if :: version != seen -> isStale = true; break :: else fi;
#endif
    /* The entry is used: it was in a table when the walk began. */
    if
    :: found == 0 -> break
    :: else ->
      assert(found < FRAME_COUNT);
      atomic { node = found; level--; found = 0 }
    fi
  :: level == lowest -> break
  od;
  found = 0
}

/* RangeLock.lockCovering, for a range whose covering node is at `lowest`, or above if that is
 * missing. */
inline lockCovering(lowest) {
  do
  :: walk(lowest);
    if
    :: isStale
    :: else ->
      /* acquireLock(while:) */
      do
      :: atomic { !isLocked[node] -> isLocked[node] = true; break }
      :: isLocked[node] && version != seen -> isStale = true; break
      od;
      if
      :: isStale
#ifndef BUG_VERSION_NOT_COMPARED_AFTER_LOCK
      :: !isStale && version != seen -> release(node); isStale = true
#endif
#ifdef BUG_VERSION_NOT_COMPARED_AFTER_LOCK
      :: !isStale ->
#else
      :: !isStale && version == seen ->
#endif
#ifndef BUG_DEEPER_NODE_MISSED
        if
        :: level > lowest && ENTRY(node, INDEX(level, page)) != 0 -> release(node)
        :: else -> break
        fi
#else
        break
#endif
      fi
    fi
  od;
  seen = 0
}

/* RangeLock.addCovering: adds the nodes that are missing down to `lowest`. If there is no memory,
 * no lock is held afterwards and `level` is above `lowest`. */
inline addCovering(lowest) {
  second = 0; first = 0;
  if
  :: level > lowest ->
    construct(); first = fresh;
    if :: first != 0 && level > lowest + 1 -> construct(); second = fresh :: else fi;
    if
    :: first == 0 || level > lowest + 1 && second == 0 ->
      release(node);
      if :: first != 0 -> release(first); free(first) :: else fi
    :: else ->
      ENTRY(node, INDEX(level, page)) = first;
      if :: second != 0 -> ENTRY(first, INDEX(level - 1, page)) = second :: else fi;
      release(node);
      atomic { node = first; level-- };
      if
      :: second != 0 -> release(node); atomic { node = second; level-- }
      :: else
      fi
    fi
  :: else
  fi;
  atomic { first = 0; second = 0; fresh = 0 }
}

inline enter(index) { d_step { owners[index]++; assert(owners[index] == 1) } }

/* LockedNode.unlink of a table without tables below, and detach. */
inline unlink(parent, index) {
  child = ENTRY(parent, index);
#ifdef BUG_VERSION_ADVANCED_EARLY
  version++;
#endif
  ENTRY(parent, index) = 0;
#if !defined(BUG_VERSION_STAYS) && !defined(BUG_VERSION_ADVANCED_LATE) \
  && !defined(BUG_VERSION_ADVANCED_EARLY)
  version++;
#endif
  isDetached[child] = true;
  release(child);
#ifdef BUG_VERSION_ADVANCED_LATE
  version++;
#endif
  child = 0
}

/* EmptyNodes.reclaim, of the node of `level` that spans `page`, and of the one above. */
inline reclaim() {
  goal = level + 1;
  do
  :: goal <= 3 ->
    walk(goal);
    if
    :: isStale || level != goal -> break
    :: else
    fi;
    /* NodeLock(trying:of:while:) */
    if
    :: atomic { !isLocked[node] -> isLocked[node] = true }
    :: isLocked[node] -> break
    fi;
    if
#ifndef BUG_VERSION_NOT_COMPARED_AFTER_LOCK
    :: version != seen -> release(node); break
    :: version == seen
#else
    :: skip
#endif
    fi;
    leaf = ENTRY(node, INDEX(goal, page));
    if :: leaf == 0 -> release(node); break :: else fi;
#ifndef BUG_CHILD_NOT_LOCKED
    if
    :: atomic { !isLocked[leaf] -> isLocked[leaf] = true }
    :: isLocked[leaf] -> release(node); break
    fi;
#endif
#ifndef BUG_USED_NODE_DETACHED
    if
    :: IS_FULL(leaf) -> release(leaf); release(node); break
    :: else
    fi;
#endif
    assert(!IS_FULL(leaf));
#ifdef BUG_CHILD_NOT_LOCKED
    if :: !isLocked[leaf] -> isLocked[leaf] = true :: else fi;
#endif
    at = INDEX(goal, page);
    unlink(node, at);
    at = 0;
    isEmpty = !IS_FULL(node);
    release(node);
    free(leaf);
    if :: isEmpty -> goal++ :: else -> break fi
  :: goal > 3 -> break
  od;
  atomic { goal = 0; leaf = 0; seen = 0 }
}

/* A cursor over one page: maps it or unmaps it. */
inline changePage() {
  lockCovering(1);
  addCovering(1);
  if
  :: level == 1 ->
    enter(page);
    assert(isNode[node] && !isDetached[node] && IS_IN_TREE(node, 1, page));
    if :: ENTRY(node, 0) = PAGE :: ENTRY(node, 0) = 0 fi;
    assert(isLocked[node] && isNode[node] && !isDetached[node] && IS_IN_TREE(node, 1, page));
    isEmpty = !IS_FULL(node);
    owners[page]--;
    release(node);
#ifdef BUG_UNLOCKED_TWICE
    isLocked[node] = false;
#endif
    if :: isEmpty -> reclaim() :: else fi;
    isEmpty = false
  :: else
  fi
}

/* RangeLock.lockBelow, of the leaf tables under the locked `node`, of level 2. */
inline lockLeaves(middle) {
  if :: ENTRY(middle, 0) != 0 -> acquire(ENTRY(middle, 0)) :: else fi;
  if :: ENTRY(middle, 1) != 0 -> acquire(ENTRY(middle, 1)) :: else fi
}

inline assertLeaf(leaf) {
  assert(leaf == 0 || isLocked[leaf] && isNode[leaf] && !isDetached[leaf])
}

/* A cursor over both pages: unmaps them, and removes the tables that it has emptied, one of them
 * from above and the other at its end, or keeps them. */
inline changeBoth() {
  lockCovering(2);
  addCovering(2);
  if
  :: level == 2 ->
    lockLeaves(node);
    enter(0); enter(1);
    assert(isNode[node] && !isDetached[node] && IS_IN_TREE(node, 2, 0));
    assertLeaf(ENTRY(node, 0));
    assertLeaf(ENTRY(node, 1));
    if
    :: ENTRY(node, 0) != 0 -> leaf = ENTRY(node, 0); ENTRY(leaf, 0) = 0; unlink(node, 0)
    :: skip
    fi;
    if :: ENTRY(node, 1) != 0 -> ENTRY(ENTRY(node, 1), 0) = 0 :: skip fi;
    isEmpty = !IS_FULL(node);
    owners[0]--; owners[1]--;
    if :: ENTRY(node, 1) != 0 -> release(ENTRY(node, 1)) :: else fi;
    if :: ENTRY(node, 0) != 0 -> release(ENTRY(node, 0)) :: else fi;
    release(node);
    if :: leaf != 0 -> free(leaf); leaf = 0 :: else fi;
    if :: isEmpty -> level = 2; reclaim() :: else fi;
    isEmpty = false
  :: else
  fi
}

/* A cursor over all that the root's entry spans: removes all tables. */
inline unmapAll() {
  acquire(ROOT);
#ifdef BUG_PATH_READ_UNLOCKED
  if
  :: MIDDLE != 0 ->
    first = ENTRY(MIDDLE, 0);
    second = ENTRY(MIDDLE, 1);
    acquire(MIDDLE);
    if :: first != 0 -> acquire(first) :: else fi;
    if :: second != 0 -> acquire(second) :: else fi
  :: else
  fi;
#else
  if
  :: MIDDLE != 0 -> acquire(MIDDLE); lockLeaves(MIDDLE)
  :: else
  fi;
#endif
  enter(0); enter(1);
  if
  :: MIDDLE != 0 ->
    node = MIDDLE;
    assertLeaf(node);
#ifndef BUG_PATH_READ_UNLOCKED
    first = ENTRY(node, 0);
    second = ENTRY(node, 1);
#endif
    assertLeaf(first);
    assertLeaf(second);
    MIDDLE = 0;
#ifndef BUG_VERSION_STAYS
    version++;
#endif
    if :: first != 0 -> isDetached[first] = true; release(first) :: else fi;
    if :: second != 0 -> isDetached[second] = true; release(second) :: else fi;
    isDetached[node] = true;
    release(node)
  :: else
  fi;
  owners[0]--; owners[1]--;
  release(ROOT);
  if :: first != 0 -> free(first); first = 0 :: else fi;
  if :: second != 0 -> free(second); second = 0 :: else fi;
  if :: node != 0 -> free(node); node = 0 :: else fi
}

proctype processor() {
  byte node, level, page, seen, found, fresh, first, second, leaf, goal, at, child;
  bool isStale, isEmpty;
  do
  :: d_step { left > 0 -> left-- };
    if
    :: page = 0; changePage()
    :: page = 1; changePage()
    :: page = 0; changeBoth()
    :: unmapAll()
    fi;
    atomic { node = 0; level = 0; page = 0; isStale = false }
  :: left == 0 -> break
  od;
}

/* Allocates frames for a program, which writes to them, and frees them. */
proctype program() {
  byte frame, uses;
end:
  do
  :: atomic {
      frame == 0 && uses < USES && (IS_FREE(1) || IS_FREE(2) || IS_FREE(3) || IS_FREE(4)) ->
      if
      :: IS_FREE(1) -> frame = 1
      :: IS_FREE(2) -> frame = 2
      :: IS_FREE(3) -> frame = 3
      :: IS_FREE(4) -> frame = 4
      fi;
      uses++;
      isData[frame] = true;
      ENTRY(frame, 0) = GARBAGE;
      ENTRY(frame, 1) = GARBAGE
    }
  :: atomic { frame != 0 -> isData[frame] = false; frame = 0 }
  od
}

init {
  atomic {
    isNode[ROOT] = true;
    /* One page is mapped already. */
    isNode[1] = true; isNode[2] = true;
    MIDDLE = 1; ENTRY(1, 0) = 2; ENTRY(2, 0) = PAGE;
    run program();
    run processor();
    run processor();
#if N > 2
    run processor();
#endif
    skip
  }
}
