/*
 * The reference count of one frame: handles that are shared and dropped by several processors, and
 * acquired by address by one that has none, until the last is dropped and the frame is allocated
 * again. Counts have four bits instead of 64, so that they saturate: which is right as long as
 * fewer references are dropped, while a processor is about to reset the count, than the maximum.
 *
 * Steps of: FrameSlotReference.share, acquire, drop, makeUnique, claim, publishShared and pin;
 * Frame.deinit, FrameSlotReference.retire, FrameAllocator.makeFree and allocateSlot.
 *
 * What holds: while a processor has a handle, the frame is not free, and its metadata is not
 * destroyed; it is freed once for each allocation; and once the count has saturated, never.
 */
#ifndef N
#define N 3
#endif
#ifndef STEPS
#define STEPS 5 /* what they do together */
#endif
#ifndef FIRST
#define FIRST 1 /* the count at the beginning, of as many handles, of which one processor has all */
#endif

/* ReferenceCount */
#define UNIQUE 14
#define FREE 13
#define IN_TRANSITION 0
#define MAXIMUM 8
#define MINUS(count, other) (((count) + 16 - (other)) % 16)
#define IS_SHARED(count) (MINUS(count, 1) < MAXIMUM)
#define IS_JUST_ABOVE(count) (MINUS(count, MAXIMUM) < 4)

byte count = FIRST;
bool isInitialized = true; /* the metadata */
byte handles[N];
byte frees;                /* less the allocations after them: 0, or 1 while the frame is free */
bool isSaturated;
bool isTaken;               /* by a processor that has it from the allocator */
byte left = STEPS;

inline pin() {
#ifdef BUG_NOT_PINNED
  skip
#else
  count = MAXIMUM
#endif
}

inline share() {
#ifdef BUG_SHARE_IN_TWO_STEPS
  old = count;
  count = (old + 1) % 16;
#else
  d_step { old = count; count = (old + 1) % 16 };
#endif
  handles[here]++;
  if
  :: MINUS(old, 1) >= MAXIMUM - 2 ->
    assert(IS_SHARED(old) || IS_JUST_ABOVE(old));
    d_step { pin(); isSaturated = true }
  :: MINUS(old, 1) < MAXIMUM - 2
  fi;
  old = 0
}

/* By address, in a loop of compare and exchange. */
inline acquire() {
  old = count;
  do
  :: old == FREE || old == UNIQUE || old >= MAXIMUM -> break
#ifndef BUG_TRANSITION_ACQUIRED
  :: old == IN_TRANSITION -> break
  :: old != IN_TRANSITION && old < MAXIMUM ->
#else
  :: old < MAXIMUM ->
#endif
#ifdef BUG_ACQUIRED_WITHOUT_COMPARING
    atomic { count = old + 1; handles[here]++; break }
#else
    if
    :: atomic { count == old -> count = old + 1; handles[here]++ } -> break
    :: count != old -> old = count
    fi
#endif
  od;
  old = 0
}

/* What others have, though the count was zero. */
inline assertUnowned() {
  atomic {
    other = 0;
    do
    :: other < N -> assert(handles[other] == 0); other++
    :: other == N -> other = 0; break
    od
  }
}

/* Of the processor that has dropped the last reference, or has the unique one. */
inline retire() {
  assert(isInitialized && frees == 0 && !isSaturated);
  assertUnowned();
  isInitialized = false;
  frees++;
  count = FREE
}

/* The handle is no longer used from before the count is lowered. */
inline drop() {
  handles[here]--;
#ifdef BUG_DROP_IN_TWO_STEPS
  old = count;
  count = MINUS(old, 1);
#else
  d_step { old = count; count = MINUS(old, 1) };
#endif
  if
#ifdef BUG_LAST_OF_TWO
  :: old == 2 -> retire()
#else
  :: old == 1 -> retire()
#endif
#ifndef BUG_SATURATED_IS_DROPPED
  :: old != 1 && MINUS(old, 2) >= MAXIMUM - 2 ->
    assert(IS_SHARED(old) || IS_JUST_ABOVE(old));
    pin()
#endif
  :: else
  fi;
  old = 0
}

/* From the allocator, under its lock: what is free belongs to it. */
inline allocate() {
  if
  :: atomic { count == FREE && !isTaken -> isTaken = true; frees--; taken = true }
  :: atomic { count != FREE || isTaken -> taken = false }
  fi;
  if
  :: taken ->
    isInitialized = true;
    atomic { count = 1; handles[here]++; isTaken = false; taken = false }
  :: else
  fi
}

inline assertAlone() {
  atomic {
    other = 0;
    do
    :: other < N -> assert(other == here || handles[other] == 0); other++
    :: other == N -> other = 0; break
    od
  }
}

/* Frame.unique(), and back, or destroyed. */
inline makeUnique() {
#ifdef BUG_UNIQUE_WITHOUT_COMPARING
  isMine = count == 1;
  if :: isMine -> count = UNIQUE :: else fi;
#else
  if
  :: atomic { count == 1 -> count = UNIQUE; isMine = true }
  :: atomic { count != 1 -> isMine = false }
  fi;
#endif
  if
  :: isMine ->
    assert(handles[here] == 1);
    assertAlone();
    if
    :: count = 1
    :: handles[here]--; retire()
    fi
  :: else
  fi;
  isMine = false
}

/* Moves a handle to the next processor. */
inline give() {
  atomic { handles[here]--; handles[(here + 1) % N]++ }
}

proctype processor(byte here) {
  byte old, other;
  bool taken, isMine;
  do
  :: d_step {
      left > 0 ->
      left--;
      /* What a handle promises. */
      assert(handles[here] == 0 || isInitialized && frees == 0)
    };
    if
    :: handles[here] > 0 -> share()
    :: handles[here] > 0 -> drop()
    :: handles[here] > 0 -> give()
    :: handles[here] == 1 -> makeUnique()
    :: handles[here] == 0 -> acquire()
    :: handles[here] == 0 -> allocate()
    fi
  :: left == 0 -> break
  od
}

init {
  atomic {
    handles[0] = FIRST;
    run processor(0);
#if N > 1
    run processor(1);
#endif
#if N > 2
    run processor(2)
#endif
  }
}
